#include "dpserver/authenticator.h"

#include <algorithm>
#include <cctype>

#include "model/dataplane.h"
#include "model/proxy.h"

namespace mesh {
namespace {

constexpr const char* kWorkloadLabel = "kuma.io/workload";

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

// Every value of every tag that the proxy carries, on whichever inbound.
std::map<std::string, std::set<std::string>> tags_of(const Dataplane& dataplane) {
  std::map<std::string, std::set<std::string>> all;
  const auto add = [&](const Tags& tags) {
    for (const auto& [tag, value] : tags) all[tag].insert(value);
  };
  for (const Inbound& inbound : dataplane.networking.inbound) add(inbound.tags);
  if (dataplane.networking.gateway) add(dataplane.networking.gateway->tags);
  return all;
}

}  // namespace

Status TokenAuthenticator::authenticate(const Resource& resource, const Secret& credential, const std::string&) const {
  if (credential.empty()) return error(ErrorKind::Unauthenticated, what_is_missing());
  const auto proxy = proxy_of_resource(resource.key);
  if (!proxy || proxy->type == ProxyRole::Dataplane) return check_dataplane(resource, credential);
  return check_zone_proxy(std::string(proxy_type_name(proxy->type)), credential);
}

Status TokenAuthenticator::check_dataplane(const Resource& dataplane, const Secret& credential) const {
  MESH_TRY(const DataplaneClaims claims, verifier_.verify_dataplane(credential.reveal(), dataplane.key.mesh));
  if (!claims.type.empty() && claims.type != "dataplane") {
    return error(ErrorKind::Denied, "the token is for a proxy of type \"" + claims.type + "\", not for a dataplane");
  }
  const auto workload = dataplane.labels.find(kWorkloadLabel);
  return check_claims(claims, dataplane.key.mesh, dataplane.key.name, tags_of(dataplane.spec_as<Dataplane>()),
                      workload == dataplane.labels.end() ? std::string() : workload->second);
}

Status TokenAuthenticator::check_zone_proxy(const std::string& scope, const Secret& credential) const {
  MESH_TRY(const ZoneClaims claims, verifier_.verify_zone(credential.reveal()));
  if (std::find(claims.scope.begin(), claims.scope.end(), scope) == claims.scope.end()) {
    return error(ErrorKind::Denied,
                 "the zone token is not for a proxy of type \"" + scope + "\": that is not in its scope");
  }
  if (!claims.zone.empty() && claims.zone != zone_) {
    return error(ErrorKind::Denied,
                 "the zone token is for zone \"" + claims.zone + "\"; this is zone \"" + zone_ + "\"");
  }
  return {};
}

Result<Secret> find_credential(const wire::Headers& headers) {
  const std::string* found = nullptr;
  for (const auto& [name, value] : headers.all()) {
    if (!equals_ignoring_case(name, "authorization")) continue;
    if (found != nullptr) return error(ErrorKind::Unauthenticated, "more than one authorization was given");
    found = &value;
  }
  if (found == nullptr) return Secret();
  std::string_view text = trim(*found);
  constexpr std::string_view kBearer = "bearer ";
  if (text.size() >= kBearer.size() && equals_ignoring_case(text.substr(0, kBearer.size()), kBearer)) {
    text = trim(text.substr(kBearer.size()));
  }
  return Secret(std::string(text));
}

}  // namespace mesh
