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
#include "snapshot/backend.h"

namespace mesh {

using SharedResource = std::shared_ptr<const Resource>;

// One instance of a service that others may be sent to.
struct Endpoint {
  std::string dataplane;  // name of the Dataplane
  std::string address;    // what a client connects to
  std::uint32_t port = 0;
  Tags tags;                             // of the inbound
  std::shared_ptr<const Labels> labels;  // of the Dataplane
  std::string inbound = {};              // name of the inbound, where it has one

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

  Backends backends;                         // by key
  SharedMap<std::string, std::string> vips;  // kuma.io/service → its virtual address; of all meshes
  SharedMap<std::string, std::shared_ptr<const ServiceView>> selected;  // of backends that select in a way of their own
  SharedMap<std::string, NameSet> users;           // view → keys of the backends whose endpoints are among it
  SharedMap<std::string, SharedResource> secrets;  // by name

  const Mesh& spec() const { return mesh->spec_as<Mesh>(); }
  MeshServicesMode mesh_services_mode() const;
  const std::vector<SharedResource>& policies_of(const Kind& kind) const;
  const ServiceView* find_service(const std::string& service) const;  // null: nobody offers it
  // Of a kuma.io/service or of a backend's key. Null: there is none.
  std::shared_ptr<const ServiceView> find_view(const std::string& view) const;
};

// What Dataplanes call that refer to backends by labels, among `callers`.
inline constexpr const char* kAnyBackend = "*";

struct Snapshot {
  Revision upto = 0;
  std::map<std::string, std::shared_ptr<const MeshSnapshot>> meshes;
  // Meshes of which something is known, but not (yet) the Mesh itself: resources may arrive in any order.
  std::map<std::string, std::shared_ptr<const MeshSnapshot>> incomplete;
  std::map<ProxyId, SharedResource> zone_proxies;         // ZoneIngress and ZoneEgress
  SharedMap<std::string, SharedResource> address_blocks;  // by name
  SharedMap<std::string, std::string> vips;               // kuma.io/service → its virtual address

  std::shared_ptr<const MeshSnapshot> find(const std::string& mesh) const;
};

}  // namespace mesh
