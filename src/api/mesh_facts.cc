#include "api/mesh_facts.h"

#include <algorithm>

#include "model/mesh.h"

namespace mesh::api {

namespace {

const std::string& or_unknown(const std::string& version) {
  static const std::string unknown = "unknown";
  return version.empty() ? unknown : version;
}

std::string sidecar_version(const DataplaneInsight* insight) {
  if (insight == nullptr || insight->subscriptions.empty()) return "unknown";
  const auto& version = insight->subscriptions.back().version;
  return version && version->kuma_dp ? or_unknown(version->kuma_dp->version) : "unknown";
}

std::string envoy_version(const DataplaneInsight* insight) {
  if (insight == nullptr || insight->subscriptions.empty()) return "unknown";
  const auto& version = insight->subscriptions.back().version;
  return version && version->envoy ? or_unknown(version->envoy->version) : "unknown";
}

void add_service(MeshFacts& facts, const Tags& tags, ServiceType type, ProxyState state, const std::string& backend) {
  const auto name = tags.find(kServiceTag);
  if (name == tags.end() || name->second.empty()) return;
  const auto [found, is_new] = facts.services.try_emplace(name->second);
  ServiceFacts& service = found->second;
  if (is_new) service.type = type;
  service.proxies.add(state == ProxyState::Online ? state : ProxyState::Offline);
  if (!backend.empty()) ++service.issued_backends[backend];
  if (const auto zone = tags.find(kZoneTag); zone != tags.end()) service.zones.insert(zone->second);
}

// With mode Exclusive a service is a MeshService and not a tag; a delegated gateway is still known by its tag.
void add_services(MeshFacts& facts, const Networking& networking, ProxyState state, const std::string& backend,
                  bool exclusive) {
  if (networking.gateway) {
    const bool is_builtin = networking.gateway->type == GatewayType::BUILTIN;
    if (exclusive && is_builtin) return;
    add_service(facts, networking.gateway->tags,
                is_builtin ? ServiceType::GatewayBuiltin : ServiceType::GatewayDelegated, state, backend);
    return;
  }
  if (exclusive) return;
  for (const auto& inbound : networking.inbound) {
    if (inbound.state != InboundState::Ignored) add_service(facts, inbound.tags, ServiceType::Internal, state, backend);
  }
}

void add_proxy(MeshFacts& facts, const Dataplane& dataplane, const DataplaneInsight* insight, bool exclusive) {
  const ProxyState state = state_of(dataplane, insight);
  const auto& gateway = dataplane.networking.gateway;
  ProxyCount& by_type = !gateway
                            ? facts.standard
                            : (gateway->type == GatewayType::BUILTIN ? facts.gateway_builtin : facts.gateway_delegated);
  by_type.add(state);
  facts.sidecar_versions[sidecar_version(insight)].add(state);
  facts.envoy_versions[envoy_version(insight)].add(state);
  std::string backend;
  if (insight != nullptr && insight->mtls) {
    backend = insight->mtls->issued_backend;
    if (!backend.empty()) facts.issued_backends[backend].add(state);
    for (const auto& supported : insight->mtls->supported_backends) facts.supported_backends[supported].add(state);
  }
  add_services(facts, dataplane.networking, state, backend, exclusive);
}

Status count_resources(MeshFacts& facts, const Store& store, const KindRegistry& kinds, const std::string& mesh) {
  for (const Kind* kind : kinds.all()) {
    if (kind->scope != Scope::Mesh || kind->name.ends_with("Insight")) continue;
    MESH_TRY(const Page page, store.list({.kind = kind, .mesh = mesh, .name_contains = {}, .labels = {}, .size = 1}));
    if (page.total == 0) continue;
    facts.resources[kind->name] = page.total;
    if (kind->is_policy) facts.policies[kind->name] = page.total;
  }
  return {};
}

}  // namespace

ProxyState state_of(const Dataplane& dataplane, const DataplaneInsight* insight) {
  const bool is_connected =
      insight != nullptr && std::ranges::any_of(insight->subscriptions, [](const auto& s) { return s.is_online(); });
  const auto& networking = dataplane.networking;
  if (networking.gateway) return is_connected ? ProxyState::Online : ProxyState::Offline;
  const auto ready = std::ranges::count_if(networking.inbound, [](const Inbound& inbound) {
    return (!inbound.health || inbound.health->ready) && inbound.state != InboundState::NotReady;
  });
  if (!is_connected || ready == 0) return ProxyState::Offline;
  return static_cast<std::size_t>(ready) < networking.inbound.size() ? ProxyState::PartiallyDegraded
                                                                     : ProxyState::Online;
}

void ProxyCount::add(ProxyState state) {
  switch (state) {
    case ProxyState::Online: ++online; break;
    case ProxyState::Offline: ++offline; break;
    case ProxyState::PartiallyDegraded: ++partially_degraded; break;
  }
}

ProxyCount& ProxyCount::operator+=(const ProxyCount& other) {
  online += other.online;
  offline += other.offline;
  partially_degraded += other.partially_degraded;
  return *this;
}

const char* ServiceFacts::status() const {
  if (proxies.online == 0) return "offline";
  return proxies.online == proxies.total() ? "online" : "partially_degraded";
}

Result<MeshFacts> gather_mesh_facts(const Store& store, const KindRegistry& kinds, const std::string& mesh) {
  MeshFacts facts;
  MESH_TRY(facts.mesh, store.get({&kMeshKind, {}, mesh}));
  facts.modified = facts.mesh.modified;
  const auto& services = facts.mesh.spec_as<Mesh>().mesh_services;
  const bool exclusive = services && services->mode == MeshServicesMode::Exclusive;

  MESH_TRY(const Page insights,
           store.list({.kind = &kDataplaneInsightKind, .mesh = mesh, .name_contains = {}, .labels = {}}));
  std::map<std::string_view, const Resource*> insight_of;
  for (const auto& insight : insights.items) insight_of[insight.key.name] = &insight;

  MESH_TRY(const Page dataplanes,
           store.list({.kind = &kDataplaneKind, .mesh = mesh, .name_contains = {}, .labels = {}}));
  for (const auto& dataplane : dataplanes.items) {
    const auto found = insight_of.find(dataplane.key.name);
    const Resource* insight = found == insight_of.end() ? nullptr : found->second;
    facts.modified =
        std::max({facts.modified, dataplane.modified, insight != nullptr ? insight->modified : SystemTime{}});
    add_proxy(facts, dataplane.spec_as<Dataplane>(),
              insight != nullptr ? insight->spec.as<DataplaneInsight>() : nullptr, exclusive);
  }
  MESH_RETURN_IF_ERROR(count_resources(facts, store, kinds, mesh));
  return facts;
}

}  // namespace mesh::api
