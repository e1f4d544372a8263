// The picture of all meshes that everything downstream is computed from: immutable, shared, and folded forward by one
// thread. A fold copies only the tables that a change touches; what did not change is the same object as before, so
// that "did it change?" is a comparison of pointers.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/resource.h"

namespace mesh {

using SharedResource = std::shared_ptr<const Resource>;

// One instance of a service that others may be sent to.
struct Endpoint {
  std::string dataplane;   // name of the Dataplane
  std::string address;     // what a client connects to
  std::uint32_t port = 0;
  Tags tags;               // of the inbound
  std::shared_ptr<const Labels> labels;  // of the Dataplane

  friend bool operator==(const Endpoint& a, const Endpoint& b);
};

// All that is known of one `kuma.io/service`: replaced as a whole when an endpoint joins, leaves or changes.
struct ServiceView {
  std::string name;
  std::string protocol;                // what all its inbounds agree on; "tcp" when they do not or none says
  std::vector<Endpoint> endpoints;     // in the order of (dataplane, port): only those that may get traffic now
};

struct MeshSnapshot {
  std::string name;
  SharedResource mesh;  // kind Mesh
  std::map<std::string, SharedResource> dataplanes;                          // by name
  std::map<std::string, std::shared_ptr<const ServiceView>> services;        // by kuma.io/service
  std::map<std::string, std::shared_ptr<const std::set<std::string>>> callers;  // service → dataplanes with an outbound to it
  std::map<const Kind*, std::shared_ptr<const std::vector<SharedResource>>> policies;  // in the order of their names

  const Mesh& spec() const { return mesh->spec_as<Mesh>(); }
  const std::vector<SharedResource>& policies_of(const Kind& kind) const;
};

struct Snapshot {
  Revision upto = 0;
  std::map<std::string, std::shared_ptr<const MeshSnapshot>> meshes;

  std::shared_ptr<const MeshSnapshot> find(const std::string& mesh) const;
};

}  // namespace mesh
