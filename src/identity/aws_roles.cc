#include "identity/aws_roles.h"

#include <algorithm>

#include "aws/sts.h"

namespace mesh {
namespace {

constexpr std::size_t kMaxRoles = 20'000;

// A role in another account, with the keys of ours.
class AssumedRole final : public aws::CredentialSource {
 public:
  AssumedRole(aws::CredentialCache& own_keys, aws::ChainNeeds needs, std::string role_arn)
      : own_keys_(own_keys), needs_(std::move(needs)), role_arn_(std::move(role_arn)) {}

  Result<aws::Credentials> load() override {
    MESH_TRY(const aws::Credentials own, own_keys_.get());
    MESH_TRY(const aws::Region* region, aws::find_own_region(needs_));
    MESH_TRY(const aws::Endpoint endpoint, aws::sts_endpoint(*region, aws::preferred_sts_endpoint(needs_.environment)));
    auto assumed = aws::assume_role(needs_.caller, endpoint, own.keys,
                                    {.role_arn = role_arn_, .session_name = "taskmesh-cp", .external_id = {}});
    if (!assumed) return with_context(std::move(assumed).error(), "assuming " + role_arn_);
    return assumed;
  }

 private:
  aws::CredentialCache& own_keys_;
  const aws::ChainNeeds needs_;
  const std::string role_arn_;
};

// The name of the role in arn:aws:iam::123456789012:role/some/path/name
std::string role_name_of(const aws::Arn& arn) { return arn.resource.substr(arn.resource.rfind('/') + 1); }

std::string key_of(const AwsIdentity& identity) {
  return identity.partition + ":" + identity.account + ":" + identity.role;
}

}  // namespace

AwsRoles::AwsRoles(AwsRolesSettings settings, aws::ChainNeeds needs)
    : settings_(std::move(settings)),
      needs_(std::move(needs)),
      gate_("AWS IAM", *needs_.caller.clock, {.per_second = 20, .burst = 100}),
      cache_(*needs_.caller.clock, kMaxRoles),
      own_keys_(aws::make_credential_chain(needs_), *needs_.caller.clock) {}

AwsRoles::~AwsRoles() = default;

Result<aws::Role> AwsRoles::get(const AwsIdentity& identity) { return get(identity, settings_.keep); }
Result<aws::Role> AwsRoles::get_newer(const AwsIdentity& identity) { return get(identity, settings_.keep_refusals); }

bool AwsRoles::is_known(const AwsIdentity& identity) const {
  return cache_.peek(key_of(identity), {.good = settings_.keep, .bad = settings_.keep_refusals}).has_value();
}

Result<aws::Role> AwsRoles::get(const AwsIdentity& identity, Duration age) {
  auto role =
      cache_.get(key_of(identity), {.good = age, .bad = settings_.keep_refusals}, [&] { return fetch(identity); });
  if (!role) return role;
  if (role->id != identity.role_id) {
    return error(
        ErrorKind::Denied,
        "role " + identity.text() +
            " is not the one that the proxy runs with: it was deleted and made anew, or it is a role of the "
            "same name in another account (list that account's role in kmesh.awsIAM.rolesToAssumeForAccounts)");
  }
  return role;
}

Result<aws::Credentials> AwsRoles::keys_for(const AwsIdentity& identity) {
  const auto role = settings_.roles_to_assume.find(identity.account);
  if (role == settings_.roles_to_assume.end()) return own_keys_.get();
  aws::CredentialCache* keys = nullptr;
  {
    std::lock_guard lock(mutex_);
    auto& held = assumed_[identity.account];
    if (held == nullptr) {
      const std::string arn = "arn:" + identity.partition + ":iam::" + identity.account + ":role/" + role->second;
      held = std::make_unique<aws::CredentialCache>(std::make_unique<AssumedRole>(own_keys_, needs_, arn),
                                                    *needs_.caller.clock);
    }
    keys = held.get();
  }
  return keys->get();
}

Result<aws::Role> AwsRoles::fetch(const AwsIdentity& identity) {
  MESH_RETURN_IF_ERROR(gate_.enter());
  const auto ask = [&]() -> Result<aws::Role> {
    MESH_TRY(const aws::Credentials keys, keys_for(identity));
    return aws::get_role(needs_.caller, identity.partition, keys.keys, identity.role);
  };
  auto role = ask();
  gate_.leave(role ? Status() : Status(role.error()));
  // Whatever is wrong with our own keys and rights is for us to put right: the proxy may try again.
  if (!role && role.error().kind != ErrorKind::NotFound) role.error().kind = ErrorKind::Unavailable;
  if (!role && role.error().kind == ErrorKind::NotFound) {
    return error(ErrorKind::Denied,
                 "there is no role " + identity.text() +
                     " (any more), or it is in an account that the control plane does not read: " + role.error().text);
  }
  if (!role)
    return with_context(std::move(role).error(), "reading the tags of role " + identity.text() + " (iam:GetRole)");
  const auto arn = aws::parse_arn(role->arn);
  if (!arn || arn->service != "iam" || arn->partition != identity.partition || arn->account != identity.account ||
      role_name_of(*arn) != identity.role) {
    return error(
        ErrorKind::Denied,
        "IAM gave role " + role->arn.substr(0, 200) + " when asked for " + identity.text() +
            ": the control plane's keys are those of another account; set kmesh.awsIAM.rolesToAssumeForAccounts");
  }
  return role;
}

}  // namespace mesh
