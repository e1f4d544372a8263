// The steps of a build, each adding its part to the draft. Private to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/proxy_config.h"
#include "envoy/resource_set.h"
#include "snapshot/snapshot.h"

namespace mesh::build {

struct Context {
  const MeshSnapshot& snapshot;
  const Dataplane& spec;
  const ProxyTraits& traits;
  envoy::ResourceSet& draft;
  std::vector<std::string>& warnings;
  std::set<std::pair<std::string, std::uint32_t>> taken = {};  // addresses that have a listener

  const std::string& mesh() const { return snapshot.name; }
  const CaBackend* ca() const { return snapshot.spec().enabled_ca(); }  // null: no mutual TLS
};

// Never null. Those that a Dataplane has as they are lie in it, and it outlives the build.
using SharedTags = std::shared_ptr<const Tags>;

// A group of endpoints that the proxy sends to: a service, or the part of it that has further tags; or one port of a
// backend.
struct Destination {
  std::string cluster;  // the name in Envoy
  std::string service;  // kuma.io/service; empty: a backend
  SharedTags tags;      // of the outbound, with kuma.io/service
  std::shared_ptr<const BackendView> backend = {};
  const BackendPort* port = nullptr;  // of the backend

  // Its instances are listed in the cluster itself.
  bool is_external() const { return backend != nullptr && &backend->kind() == &kMeshExternalServiceKind; }
};

using Destinations = std::vector<const Destination*>;

void add_admin(Context& context);
void add_inbounds(Context& context);
// Listeners for these outbounds (see outbound_plan.h), and clusters for where they lead.
struct PlannedOutbound;
void add_outbounds(Context& context, const std::vector<const PlannedOutbound*>& outbounds,
                   const Destinations& destinations);
// What the cluster of a destination, or the listener of an outbound, is made from, but for its backend and what all
// outbounds of a proxy depend on (see outbound_cache.h).
std::string origin_of(const MeshSnapshot& snapshot, const Destination& destination);
std::string origin_of(const MeshSnapshot& snapshot, const PlannedOutbound& outbound);
// The names of these outbounds, where the sidecar's own DNS server reads them.
bool wants_names(const ProxyTraits& traits);
void add_names(Context& context, const std::vector<PlannedOutbound>& outbounds, const std::string& domain);
// Of a MeshExternalService. False: it cannot be, and a warning says why.
bool has_names(const MeshExternalService& service);  // its endpoints are not all addresses
bool add_external_cluster(Context& context, const Destination& destination, envoy::Backend backend);

}  // namespace mesh::build
