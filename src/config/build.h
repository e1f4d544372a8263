// The steps of a build, each adding its part to the draft. Private to this room.
#pragma once

#include <cstdint>
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

// A group of endpoints that the proxy sends to: a service, or the part of it that has further tags.
struct Destination {
  std::string cluster;  // the name in Envoy
  std::string service;
  Tags tags;  // of the outbound, with kuma.io/service
};
// Of the Dataplane's outbounds, without repetition, in the order of their names.
std::vector<Destination> destinations_of(const Dataplane& spec);

void add_admin(Context& context);
void add_inbounds(Context& context);
void add_outbounds(Context& context);

}  // namespace mesh::build
