// What a sidecar and its Envoy say on the wire, written field by field; and what it hears, read only as far as it must
// know: thousands of sidecars share two cores with the control plane that is measured.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ads/ads.h"
#include "base/bytes.h"
#include "load/settings.h"

namespace mesh::load {

// One instance of a service, as its task would describe it.
struct Instance {
  std::string name;
  std::string address;
  int service = 0;
  std::vector<int> calls;  // services
};
std::string service_name(int service);
std::string dataplane_json(const std::string& mesh, const Instance& instance);
std::string bootstrap_json(const std::string& mesh, const Instance& instance, const std::string& token,
                           const std::string& ca_pem, bool carries_discovery);

// Envoy's Node: what belongs to this proxy, and the 58 KB of extensions that every Envoy lists, which exist once.
struct NodeBytes {
  std::string own;
  Bytes extensions;
};
NodeBytes make_node(const std::string& mesh, const Instance& instance);

// envoy.service.discovery.v3.DiscoveryRequest or DeltaDiscoveryRequest, as pieces.
struct Ask {
  XdsType type = XdsType::Cluster;
  const NodeBytes* node = nullptr;  // in the first request of a stream
  std::string version;              // state of the world: accepted last
  std::vector<std::string> names;   // state of the world: all names; delta: newly wanted ones
  std::vector<std::string> forget;  // delta
  std::vector<std::pair<std::string, std::string>> initial_versions;  // delta, after a reconnect
  std::string nonce;
  std::string refusal;  // of what came with the nonce: why
};
std::vector<Bytes> write_request(Speaks speaks, const Ask& ask);

struct HeardResource {
  std::string_view name;     // empty in state of the world: see the body
  std::string_view version;  // delta
  std::string_view body;     // the content of the Any
};
struct HeardResponse {
  bool is_known_type = false;
  XdsType type = XdsType::Cluster;
  std::string version, nonce;
  std::vector<HeardResource> resources;
  std::vector<std::string_view> removed;
};
HeardResponse read_response(Speaks speaks, std::string_view message);

// The number of endpoints in a ClusterLoadAssignment.
int count_endpoints(std::string_view assignment);

// What a cluster or listener refers to. Asked for once per distinct content: many proxies have the same clusters.
struct References {
  bool wants_endpoints = false;
  std::vector<std::string> secrets;
  std::vector<std::string> routes;
};
const References& references_of(XdsType type, std::string_view body, std::uint64_t hash);

}  // namespace mesh::load
