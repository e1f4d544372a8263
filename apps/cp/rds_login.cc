#include "cp/rds_login.h"

#include <memory>

#include "aws/ecs_metadata.h"
#include "aws/rds.h"

namespace mesh {

Result<std::function<Result<Secret>()>> rds_login(const std::string& host, int port, const std::string& user,
                                                  aws::ChainNeeds needs) {
  const std::string first = host.substr(0, host.find(','));
  std::string region = aws::region_of_rds_host(first);
  if (region.empty()) {
    auto own = aws::find_own_region(needs);
    if (!own)
      return with_context(std::move(own).error(), "store.postgres.awsIamAuth (KUMA_STORE_POSTGRES_AWS_IAM_AUTH)");
    region = std::string((*own)->name);
  }
  auto keys = std::make_shared<aws::CredentialCache>(aws::make_credential_chain(needs), *needs.caller.clock);
  return [keys, first, port, user, region, clock = needs.caller.clock]() -> Result<Secret> {
    auto credentials = keys->get();
    if (!credentials)
      return with_context(std::move(credentials).error(), "logging in to the database with an IAM role");
    return aws::rds_password(first, port, user, credentials->keys, region, clock->now());
  };
}

}  // namespace mesh
