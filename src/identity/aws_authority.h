// Decides who a proxy is by the IAM role that it runs with: has AWS say who signed its proof, and lets the tags of that
// role say what it may be.
#pragma once

#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "aws/identity_proof.h"
#include "identity/answer_cache.h"
#include "identity/aws_roles.h"
#include "identity/aws_rules.h"
#include "identity/call_gate.h"

namespace mesh {

struct AwsAuthoritySettings {
  std::set<std::string> accounts;  // that may run proxies; those of roles.roles_to_assume may, too
  AwsRolesSettings roles;
  double sts_calls_per_second = 300, sts_burst = 3000;  // AWS allows 600 per second, account and region
};
// Nobody could come in, or a value is none: says which setting.
Status check_settings(const AwsAuthoritySettings& settings);

// Where its answers came from, and what it did not even ask about.
struct AwsAuthorityCounts {
  AnswerCache<AwsIdentity>::Counts proofs;
  AnswerCache<aws::Role>::Counts roles;
  std::uint64_t refused_unasked =
      0;                        // proofs: not well made, for somebody else, too old, from a source that sends bad ones
  std::uint64_t held_back = 0;  // calls that the limits or an outage did not let through
};

// Thread-safe; may block for calls to AWS. Proxies that are let in already do not need it: an outage of AWS keeps new
// ones out, and says what is down.
class AwsAuthority {
 public:
  static constexpr Duration kMaxAge = std::chrono::minutes(5), kMaxAhead = std::chrono::minutes(1);

  // `audiences` tells by which names (as normal_audience() writes them) proxies may know us.
  AwsAuthority(AwsAuthoritySettings settings, aws::ChainNeeds needs, std::function<std::set<std::string>()> audiences);

  // Whose proof is it? `source` is the address that it came from. Unauthenticated, Denied, Unavailable; never names the
  // proof.
  Result<AwsIdentity> identify(const Secret& credential, const ProxyClaims& claims, const std::string& source);
  // Would these two wait for AWS? What can be refused, or is known, does not.
  bool would_wait(const Secret& credential) const;
  AwsAuthorityCounts counts() const;

  // May this role be that proxy? Bad news is at most ten seconds old.
  Status authorise(const AwsIdentity& identity, const ProxyClaims& claims);

 private:
  Result<aws::IdentityProof> read_proof(const Secret& credential) const;
  Status check_claims(const aws::IdentityProof& proof, const ProxyClaims& claims) const;
  Result<AwsIdentity> ask_sts(const aws::IdentityProof& proof);
  bool is_authorised(const std::string& account) const;

  const AwsAuthoritySettings settings_;
  const aws::ChainNeeds needs_;
  const std::function<std::set<std::string>()> audiences_;
  AwsRoles roles_;
  CallGate gate_;
  Misbehaviour misbehaviour_;
  AnswerCache<AwsIdentity> verified_;  // by the hash of the proof
  mutable std::atomic<std::uint64_t> refused_unasked_ = 0;
};

// arn:aws:sts::123456789012:assumed-role/ROLE/SESSION and nothing else; `partition` is that of the region that was
// asked.
Result<AwsIdentity> read_identity(const std::string& arn, const std::string& account, const std::string& user_id,
                                  std::string_view partition);

}  // namespace mesh
