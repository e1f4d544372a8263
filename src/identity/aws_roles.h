// The tags of IAM roles, read with GetRole and kept for a while.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "aws/credentials.h"
#include "aws/iam.h"
#include "identity/answer_cache.h"
#include "identity/call_gate.h"

namespace mesh {

// The role that a proxy runs with, as STS says it.
struct AwsIdentity {
  std::string partition, account, role;
  std::string role_id;  // AROA…: a role that was deleted and made anew has another one

  std::string text() const { return "\"" + role + "\" of account " + account; }
  friend auto operator<=>(const AwsIdentity&, const AwsIdentity&) = default;
};

struct AwsRolesSettings {
  std::map<std::string, std::string> roles_to_assume;  // account → name of the role there that lets us read its roles
  Duration keep = std::chrono::seconds(50);            // how old tags may be; with the re-check of streams: a minute
  Duration keep_refusals = std::chrono::seconds(10);   // the same for bad news
};

// Thread-safe; may block for a call.
class AwsRoles {
 public:
  AwsRoles(AwsRolesSettings settings, aws::ChainNeeds needs);
  ~AwsRoles();

  // At most `keep` old. Denied: there is no such role (any more), or we may not read it. Unavailable: IAM does not
  // answer.
  Result<aws::Role> get(const AwsIdentity& identity);
  // Would get() answer at once?
  bool is_known(const AwsIdentity& identity) const;
  AnswerCache<aws::Role>::Counts counts() const { return cache_.counts(); }
  std::uint64_t held_back() const { return gate_.held_back(); }
  // At most `keep_refusals` old: for who would be refused by what is known.
  Result<aws::Role> get_newer(const AwsIdentity& identity);

 private:
  Result<aws::Role> get(const AwsIdentity& identity, Duration age);
  Result<aws::Role> fetch(const AwsIdentity& identity);
  Result<aws::Credentials> keys_for(const AwsIdentity& identity);

  const AwsRolesSettings settings_;
  const aws::ChainNeeds needs_;
  CallGate gate_;
  AnswerCache<aws::Role> cache_;
  aws::CredentialCache own_keys_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<aws::CredentialCache>> assumed_;  // by account
};

}  // namespace mesh
