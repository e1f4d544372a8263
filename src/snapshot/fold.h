// One step of the picture: what was known, and what happened since, give the new picture and what it concerns.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "snapshot/snapshot.h"

namespace mesh {

struct ResourceChange {
  ResourceKey key;
  SharedResource now;  // null: deleted
};

// A proxy may get traffic from now on, or may no longer.
struct LivenessChange {
  ProxyId proxy;
  bool live = false;
  std::set<std::uint32_t> unavailable_ports;  // inbound ports that get none although the proxy is live

  friend bool operator==(const LivenessChange&, const LivenessChange&) = default;
};

struct FoldInput {
  Revision upto = 0;
  bool from_start = false;  // `resources` is everything there is; what is missing is gone
  std::vector<ResourceChange> resources;
  std::vector<LivenessChange> liveness;
};

struct PolicyChange {
  const Kind* kind = nullptr;
  SharedResource before, after;  // null: there was none, there is none
};

// What something that can be called was before, so that what came of it can be taken away: a backend, or the virtual
// address of a kuma.io/service (may be empty).
struct OutboundBefore {
  std::shared_ptr<const BackendView> backend;
  std::string address;
};

// What changed in one mesh. Which proxies a policy selects is for the policy room to say.
struct MeshAffected {
  bool whole = false;                // the Mesh itself came, changed or went: every proxy of it
  std::set<std::string> dataplanes;  // came, changed or went
  std::set<std::string> shapes;      // services that came, went or speak another protocol: their callers in full
  std::set<std::string> endpoints;   // views (see MeshSnapshot::find_view) of which only the endpoints changed
  // By key (see backend_key): what can be called that came, went, or looks different to who calls it.
  std::map<std::string, std::vector<OutboundBefore>> outbounds;
  bool names = false;  // what names there are, and which addresses they lead to
  std::vector<PolicyChange> policies;
  bool secrets = false;  // a Secret came, changed or went (CA certificates may)

  bool empty() const;
};

using Affected = std::map<std::string, MeshAffected>;  // by mesh

struct FoldResult {
  std::shared_ptr<const Snapshot> snapshot;
  Affected affected;
  std::set<ProxyId> zone_proxies;  // came, changed or went
};

// Pure. Changes of different resources may come in any order. Kinds that no proxy's configuration depends on only move
// `upto`.
FoldResult fold(const Snapshot& before, const FoldInput& input);

}  // namespace mesh
