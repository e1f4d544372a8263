// The kinds that are not policies.
#pragma once

#include "model/kind.h"

namespace mesh {

// Adds Mesh, Dataplane, DataplaneInsight, Secret, GlobalSecret, Zone, ZoneInsight.
void add_builtin_kinds(KindRegistry& registry);

}  // namespace mesh
