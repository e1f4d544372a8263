// What may stand in the specs of services.
#pragma once

#include "model/kind.h"
#include "model/rules.h"

namespace mesh {

void validate_mesh_service(const AnySpec& spec, Violations& violations);
void validate_multi_zone_service(const AnySpec& spec, Violations& violations);
void validate_external_service(const AnySpec& spec, Violations& violations);

}  // namespace mesh
