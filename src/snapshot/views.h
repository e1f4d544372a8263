// What the fold computes for one service or one Dataplane. Private to this room.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "snapshot/snapshot.h"

namespace mesh::views {

using Index = SharedMap<std::string, NameSet>;

void add_to(Index& index, const std::string& key, const std::string& name);
void remove_from(Index& index, const std::string& key, const std::string& name);

// What a Dataplane has to do with services.
struct Services {
  std::set<std::string> offered;  // by kuma.io/service
  std::set<std::string> called;   // the same, and keys of backends
};
Services services_of(const SharedResource& dataplane);

// Null when nobody offers it.
std::shared_ptr<const ServiceView> build_view(const MeshSnapshot& mesh, const std::string& service);
// Of what the selector picks: all inbounds of these Dataplanes.
std::shared_ptr<const ServiceView> build_selected(const MeshSnapshot& mesh, const ServiceSelector& selector);

}  // namespace mesh::views
