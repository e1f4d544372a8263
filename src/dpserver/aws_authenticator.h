// Proxies prove the IAM role that their task runs with; the tags of the role say what they may be. Remembers with which
// roles each connected proxy came in, so that it can be asked again whether they still may.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "base/clock.h"
#include "dpserver/authenticator.h"
#include "identity/aws_authority.h"

namespace mesh {

class AwsAuthenticator final : public Authenticator {
 public:
  AwsAuthenticator(AwsAuthoritySettings settings, aws::ChainNeeds needs,
                   std::function<std::set<std::string>()> audiences,
                   Duration recheck_interval = std::chrono::seconds(10))
      : clock_(*needs.caller.clock),
        recheck_interval_(recheck_interval),
        authority_(std::move(settings), std::move(needs), std::move(audiences)) {}

  bool needs_credential() const override { return true; }
  bool credentials_expire() const override { return true; }
  std::string what_is_missing() const override {
    return "the IAM role of the task must be proved: start the sidecar with --auth-type=aws (taskmesh-dp run)";
  }
  Status authenticate(const Resource& dataplane, const Secret& credential, const std::string& source) const override;
  bool would_wait(const Secret& credential) const override { return authority_.would_wait(credential); }
  AwsAuthorityCounts counts() const { return authority_.counts(); }
  Duration recheck_interval() const override { return recheck_interval_; }
  Status recheck(const Resource& dataplane) const override;
  void keep_only(const std::set<ProxyId>& connected) const override;

 private:
  struct CameIn {
    std::set<AwsIdentity> roles;
    SteadyTime at{};
  };
  const Clock& clock_;
  const Duration recheck_interval_;
  mutable AwsAuthority authority_;
  mutable std::mutex mutex_;
  mutable std::map<ProxyId, CameIn> came_in_;
};

// What the resource says that its proxy is.
ProxyClaims claims_of(const Resource& resource);

}  // namespace mesh
