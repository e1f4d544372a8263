// Identity and Access Management: a role and its tags.
#pragma once

#include <map>
#include <string>

#include "aws/service.h"

namespace mesh::aws {

struct Role {
  std::string arn, name, id;  // the id (AROA…) is never given twice
  std::map<std::string, std::string> tags;
};
// NotFound: there is no such role in the account of these keys.
Result<Role> get_role(const Caller& caller, const std::string& partition, const KeyPair& keys, const std::string& name);
Result<Role> read_role(const XmlElement& root);

}  // namespace mesh::aws
