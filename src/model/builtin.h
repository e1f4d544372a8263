// The kinds that are not policies.
#pragma once

#include "model/kind.h"

namespace mesh {

// Adds Mesh, Dataplane, Secret, GlobalSecret, Zone, ZoneIngress, ZoneEgress and the insights.
void add_builtin_kinds(KindRegistry& registry);

}  // namespace mesh
