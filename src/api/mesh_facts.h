// What can be counted about a mesh: its proxies by state, version and certificate, its services, its resources.
// Computed from the store when somebody asks, so that it is never behind.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/result.h"
#include "model/dataplane.h"
#include "model/insight.h"
#include "model/kind.h"
#include "store/store.h"

namespace mesh::api {

enum class ProxyState { Online, Offline, PartiallyDegraded };

// A proxy is offline without a connection or without a ready inbound; degraded when only some inbounds are ready.
ProxyState state_of(const Dataplane& dataplane, const DataplaneInsight* insight);

struct ProxyCount {
  std::uint32_t online = 0;
  std::uint32_t offline = 0;
  std::uint32_t partially_degraded = 0;

  std::uint32_t total() const { return online + offline + partially_degraded; }
  void add(ProxyState state);
  ProxyCount& operator+=(const ProxyCount& other);
};

enum class ServiceType { Internal, GatewayBuiltin, GatewayDelegated };

// One kuma.io/service.
struct ServiceFacts {
  ServiceType type = ServiceType::Internal;
  ProxyCount proxies;  // here a degraded one counts as offline
  std::map<std::string, std::uint32_t> issued_backends;
  std::set<std::string> zones;

  const char* status() const;  // "online", "partially_degraded", "offline"
};

struct MeshFacts {
  Resource mesh;
  SystemTime modified{};  // of what changed last
  ProxyCount standard, gateway_builtin, gateway_delegated;
  std::map<std::string, ProxyCount> sidecar_versions, envoy_versions;
  std::map<std::string, ProxyCount> issued_backends, supported_backends;
  std::map<std::string, ServiceFacts> services;
  std::map<std::string, std::size_t> resources;  // by the name of the kind; those of which there are some
  std::map<std::string, std::size_t> policies;
};

Result<MeshFacts> gather_mesh_facts(const Store& store, const KindRegistry& kinds, const std::string& mesh);

}  // namespace mesh::api
