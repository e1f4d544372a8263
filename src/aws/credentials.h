// The keys that this process may use, found where the standard tools of AWS look for them, and renewed in time.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "aws/environment.h"
#include "aws/http.h"
#include "aws/service.h"
#include "aws/sigv4.h"

namespace mesh::aws {

struct Credentials {
  KeyPair keys;
  std::optional<SystemTime> expires;
  std::string source;    // in words, for logs: "the ECS container credentials"
  std::string role_arn;  // where the source tells it
};

struct ChainNeeds {
  Environment environment;
  Caller caller;
};

// Where keys come from. Thread-safe; may block for some seconds.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  // NotFound: there are none, with every place that was looked at.
  virtual Result<Credentials> load() = 0;
};

// environment → web identity → profile → ECS container → EC2 instance. The first that is configured is taken, and its
// error is the chain's. In a task of ECS the instance is never asked: its role is the host's, not the task's.
std::unique_ptr<CredentialSource> make_credential_chain(ChainNeeds needs);

// Keeps what a source gave: renews 15 minutes before the end, keeps the old keys while that fails, and from 10 minutes
// before the end tries at every call. Thread-safe; get() blocks when it renews.
class CredentialCache {
 public:
  CredentialCache(std::unique_ptr<CredentialSource> source, const Clock& clock)
      : source_(std::move(source)), clock_(clock) {}
  Result<Credentials> get();

 private:
  bool is_due(SystemTime now) const;

  const std::unique_ptr<CredentialSource> source_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<Credentials> held_;
  SystemTime asked_{};
};

// AWS_REGION, AWS_DEFAULT_REGION, the profile's, that of the ECS task, that of the EC2 instance. Invalid: it is not one
// that exists. NotFound: nothing says it. May block.
Result<const Region*> find_own_region(const ChainNeeds& needs);
bool is_in_ecs_task(const Environment& environment);

// AWS_USE_FIPS_ENDPOINT, AWS_STS_REGIONAL_ENDPOINTS=legacy; else regional.
StsEndpoint preferred_sts_endpoint(const Environment& environment);

}  // namespace mesh::aws
