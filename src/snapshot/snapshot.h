// The picture of all meshes that everything downstream is computed from: immutable, shared, and folded forward by one
// thread. A fold makes anew what a change touches and the paths to it, whatever the size of the mesh; what did not
// change is the same object as before, so that "did it change?" is a comparison of pointers.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/shared_map.h"
#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/resource.h"

namespace mesh {

using SharedResource = std::shared_ptr<const Resource>;

// One instance of a service that others may be sent to.
struct Endpoint {
  std::string dataplane;  // name of the Dataplane
  std::string address;    // what a client connects to
  std::uint32_t port = 0;
  Tags tags;                             // of the inbound
  std::shared_ptr<const Labels> labels;  // of the Dataplane

  friend bool operator==(const Endpoint& a, const Endpoint& b);
};

// All that is known of one `kuma.io/service`: replaced as a whole when an endpoint joins, leaves or changes.
struct ServiceView {
  std::string name;
  // What all its inbounds can speak, live or not: the same for all; "http2" for grpc beside http2; else "tcp". That
  // the last instance goes away does not change it.
  std::string protocol;
  std::vector<Endpoint> endpoints;  // in the order of (dataplane, port): only those that may get traffic now

  friend bool operator==(const ServiceView&, const ServiceView&) = default;
};

using NameSet = SharedSet<std::string>;
using PolicyList = std::shared_ptr<const std::vector<SharedResource>>;

struct MeshSnapshot {
  std::string name;
  SharedResource mesh;                                                  // kind Mesh
  SharedMap<std::string, SharedResource> dataplanes;                    // by name
  SharedMap<std::string, std::shared_ptr<const ServiceView>> services;  // by kuma.io/service; of every known inbound
  SharedMap<std::string, NameSet> callers;                              // service → dataplanes with an outbound to it
  SharedMap<std::string, NameSet> providers;                            // service → dataplanes with an inbound of it
  std::map<const Kind*, PolicyList> policies;                           // in the order of their names
  // Dataplanes whose proxy may get traffic now, and the inbound ports of it that may not all the same (see
  // pipeline/liveness.h). May name Dataplanes that are not there (yet).
  SharedMap<std::string, std::set<std::uint32_t>> live;

  const Mesh& spec() const { return mesh->spec_as<Mesh>(); }
  const std::vector<SharedResource>& policies_of(const Kind& kind) const;
  const ServiceView* find_service(const std::string& service) const;  // null: nobody offers it
};

struct Snapshot {
  Revision upto = 0;
  std::map<std::string, std::shared_ptr<const MeshSnapshot>> meshes;
  // Meshes of which something is known, but not (yet) the Mesh itself: resources may arrive in any order.
  std::map<std::string, std::shared_ptr<const MeshSnapshot>> incomplete;
  std::map<ProxyId, SharedResource> zone_proxies;  // ZoneIngress and ZoneEgress

  std::shared_ptr<const MeshSnapshot> find(const std::string& mesh) const;
};

}  // namespace mesh
