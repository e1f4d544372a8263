#include "model/proxy.h"

#include <array>

#include "model/insight.h"
#include "model/zone_proxy.h"

namespace mesh {
namespace {

struct Row {
  ProxyRole type;
  const Kind* resource;
  const Kind* insight;
};
constexpr std::array kRows = {
    Row{ProxyRole::Dataplane, &kDataplaneKind, &kDataplaneInsightKind},
    Row{ProxyRole::Ingress, &kZoneIngressKind, &kZoneIngressInsightKind},
    Row{ProxyRole::Egress, &kZoneEgressKind, &kZoneEgressInsightKind},
};
const Row& row_of(ProxyRole type) { return kRows.at(static_cast<std::size_t>(type)); }

}  // namespace

const Kind& proxy_kind(ProxyRole type) { return *row_of(type).resource; }
const Kind& insight_kind(ProxyRole type) { return *row_of(type).insight; }
ResourceKey proxy_key(const ProxyId& proxy) { return {&proxy_kind(proxy.type), proxy.mesh, proxy.name}; }
ResourceKey insight_key(const ProxyId& proxy) { return {&insight_kind(proxy.type), proxy.mesh, proxy.name}; }

std::optional<ProxyId> proxy_of_resource(const ResourceKey& key) {
  for (const Row& row : kRows)
    if (row.resource == key.kind) return ProxyId{key.mesh, key.name, row.type};
  return std::nullopt;
}

std::optional<ProxyId> proxy_of_insight(const ResourceKey& key) {
  for (const Row& row : kRows)
    if (row.insight == key.kind) return ProxyId{key.mesh, key.name, row.type};
  return std::nullopt;
}

const std::string& proxy_address(const Resource& resource) {
  static const std::string none;
  if (const auto* dataplane = resource.spec.as<Dataplane>()) return dataplane->networking.address;
  if (const auto* ingress = resource.spec.as<ZoneIngress>()) return ingress->networking.address;
  if (const auto* egress = resource.spec.as<ZoneEgress>()) return egress->networking.address;
  return none;
}

std::uint32_t admin_port_of(const Resource& resource) {
  const auto port = [](const std::optional<EnvoyAdmin>& admin) { return admin ? admin->port : 0; };
  if (const auto* dataplane = resource.spec.as<Dataplane>()) return port(dataplane->networking.admin);
  if (const auto* ingress = resource.spec.as<ZoneIngress>()) return port(ingress->networking.admin);
  if (const auto* egress = resource.spec.as<ZoneEgress>()) return port(egress->networking.admin);
  return 0;
}

}  // namespace mesh
