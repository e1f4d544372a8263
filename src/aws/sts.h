// The Security Token Service: whose keys are these, and keys of another role.
#pragma once

#include <string>

#include "aws/credentials.h"
#include "aws/regions.h"
#include "aws/service.h"

namespace mesh::aws {

struct CallerIdentity {
  std::string arn, account, user_id;
};
// From its exact place in the answer, and nothing else beside it.
Result<CallerIdentity> read_caller_identity(const XmlElement& root);

struct RoleToAssume {
  std::string role_arn;
  std::string session_name;  // empty: "taskmesh"
  std::string external_id;
  Duration duration = std::chrono::hours(1);
};
Result<Credentials> assume_role(const Caller& caller, const Endpoint& endpoint, const KeyPair& keys,
                                const RoleToAssume& role);
Result<Credentials> assume_role_with_web_identity(const Caller& caller, const Endpoint& endpoint,
                                                  const RoleToAssume& role, const Secret& token);

}  // namespace mesh::aws
