#include "dpserver/aws_authenticator.h"

#include "model/dataplane.h"
#include "model/proxy.h"

namespace mesh {
namespace {

constexpr const char* kWorkloadLabel = "kuma.io/workload";
constexpr Duration kBetweenProofAndStream = std::chrono::minutes(2);

ProxyId id_of(const Resource& resource) {
  return proxy_of_resource(resource.key).value_or(ProxyId{resource.key.mesh, resource.key.name});
}

}  // namespace

ProxyClaims claims_of(const Resource& resource) {
  const ProxyRole type = id_of(resource).type;
  ProxyClaims claims{.type = std::string(proxy_type_name(type)),
                     .mesh = resource.key.mesh,
                     .name = resource.key.name,
                     .services = {},
                     .workload = {}};
  if (const auto workload = resource.labels.find(kWorkloadLabel); workload != resource.labels.end())
    claims.workload = workload->second;
  const auto* dataplane = resource.spec.as<Dataplane>();
  if (dataplane == nullptr) return claims;
  const auto& networking = dataplane->networking;
  const auto add = [&](const Tags& tags) {
    if (const auto service = tags.find(kServiceTag); service != tags.end()) claims.services.insert(service->second);
  };
  for (const Inbound& inbound : networking.inbound) add(inbound.tags);
  if (networking.gateway) add(networking.gateway->tags);
  return claims;
}

Status AwsAuthenticator::authenticate(const Resource& dataplane, const Secret& credential,
                                      const std::string& source) const {
  const ProxyClaims claims = claims_of(dataplane);
  MESH_TRY(const AwsIdentity identity, authority_.identify(credential, claims, source));
  MESH_RETURN_IF_ERROR(authority_.authorise(identity, claims));
  std::lock_guard lock(mutex_);
  CameIn& came_in = came_in_[id_of(dataplane)];
  came_in.roles.insert(identity);
  came_in.at = clock_.steady();
  return {};
}

Status AwsAuthenticator::recheck(const Resource& dataplane) const {
  const ProxyId proxy = id_of(dataplane);
  std::set<AwsIdentity> roles;
  {
    std::lock_guard lock(mutex_);
    if (const auto found = came_in_.find(proxy); found != came_in_.end()) roles = found->second.roles;
  }
  if (roles.empty()) return error(ErrorKind::Denied, "it is not known any more with which role the proxy came in");
  const ProxyClaims claims = claims_of(dataplane);
  for (const AwsIdentity& role : roles) {
    const Status allowed = authority_.authorise(role, claims);
    // What cannot be asked at the moment is no reason to send anybody away.
    if (allowed || allowed.error().kind != ErrorKind::Denied) continue;
    std::lock_guard lock(mutex_);
    came_in_.erase(proxy);
    return allowed;
  }
  return {};
}

void AwsAuthenticator::keep_only(const std::set<ProxyId>& connected) const {
  std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.steady();
  std::erase_if(came_in_, [&](const auto& item) {
    return !connected.contains(item.first) && now - item.second.at > kBetweenProofAndStream;
  });
}

}  // namespace mesh
