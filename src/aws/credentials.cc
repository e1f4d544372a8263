#include "aws/credentials.h"

#include "aws/ecs_metadata.h"
#include "aws/sources.h"
#include "base/log.h"

namespace mesh::aws {
namespace {

constexpr Duration kRenewBefore = std::chrono::minutes(15), kInsistBefore = std::chrono::minutes(10);
constexpr Duration kBetweenTries = std::chrono::seconds(30), kReadFilesAgain = std::chrono::minutes(1);

class CredentialChain final : public CredentialSource {
 public:
  explicit CredentialChain(ChainNeeds needs) : needs_(std::move(needs)) {}

  Result<Credentials> load() override {
    for (const auto place :
         {load_from_environment, load_from_web_identity, load_from_profile, load_from_container, load_from_instance}) {
      MESH_TRY(auto found, place(needs_));
      if (found) return std::move(*found);
    }
    if (is_in_ecs_task(needs_.environment)) {
      return error(
          ErrorKind::NotFound,
          "this ECS task has no role: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set; give its task definition "
          "a taskRoleArn (the role of the host is not used)");
    }
    return error(ErrorKind::NotFound,
                 "there are no AWS credentials: not in the environment, no web identity, no profile, no container "
                 "credentials, and the instance metadata is not to be asked");
  }

 private:
  const ChainNeeds needs_;
};

}  // namespace

std::unique_ptr<CredentialSource> make_credential_chain(ChainNeeds needs) {
  return std::make_unique<CredentialChain>(std::move(needs));
}

bool CredentialCache::is_due(SystemTime now) const {
  if (!held_) return true;
  if (!held_->expires) return now - asked_ >= kReadFilesAgain;
  const Duration left = *held_->expires - now;
  return left <= kInsistBefore || (left <= kRenewBefore && now - asked_ >= kBetweenTries);
}

Result<Credentials> CredentialCache::get() {
  std::lock_guard lock(mutex_);
  const SystemTime now = clock_.now();
  if (!is_due(now)) return *held_;
  asked_ = now;
  auto loaded = source_->load();
  if (loaded) {
    held_ = std::move(*loaded);
    return *held_;
  }
  const bool still_good = held_ && (!held_->expires || *held_->expires > now);
  if (!still_good) return std::move(loaded).error();
  MESH_LOG_WARN("aws", "the credentials are still those from before: {}", loaded.error().message());
  return *held_;
}

bool is_in_ecs_task(const Environment& environment) {
  return environment.has("ECS_CONTAINER_METADATA_URI_V4") || environment.has("ECS_CONTAINER_METADATA_URI") ||
         environment.get("AWS_EXECUTION_ENV").starts_with("AWS_ECS_");
}

Result<const Region*> find_own_region(const ChainNeeds& needs) {
  std::string name, where;
  for (const char* variable : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (!name.empty()) break;
    name = needs.environment.get(variable);
    where = variable;
  }
  if (name.empty()) {
    name = profile_region(needs.environment);
    where = "the region of the profile";
  }
  if (name.empty() && is_in_ecs_task(needs.environment)) {
    where = "the region of the ECS task";
    MESH_TRY(name, task_region(needs));
  }
  if (name.empty()) {
    where = "the region of the EC2 instance";
    auto found = instance_region(needs);
    if (found) name = std::move(*found);
  }
  if (name.empty()) return error(ErrorKind::NotFound, "the AWS region is not known; set AWS_REGION");
  if (const Region* region = find_region(name)) return region;
  return invalid(where, "is \"" + name.substr(0, 64) + "\", which is no AWS region that this version knows");
}

StsEndpoint preferred_sts_endpoint(const Environment& environment) {
  if (environment.get("AWS_USE_FIPS_ENDPOINT") == "true") return StsEndpoint::Fips;
  if (environment.get("AWS_STS_REGIONAL_ENDPOINTS") == "legacy") return StsEndpoint::Global;
  return StsEndpoint::Regional;
}

}  // namespace mesh::aws
