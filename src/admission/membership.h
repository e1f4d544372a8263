// May this Dataplane be a member of this Mesh, by the mesh's constraints?
#pragma once

#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/rules.h"

namespace mesh {

void check_membership(const Dataplane& dataplane, const Mesh& mesh, const std::string& mesh_name,
                      Violations& violations);

// kuma.io/zone goes on every inbound (but for those that have no tags in a mesh that does without) and on the gateway.
void add_zone_tags(Dataplane& dataplane, const Mesh& mesh, const std::string& zone);

}  // namespace mesh
