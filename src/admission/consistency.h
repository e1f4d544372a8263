// Rules that look at other resources: what a Mesh may become, and what may not be removed while others need it.
#pragma once

#include <string>

#include "model/mesh.h"
#include "model/resource.h"
#include "model/rules.h"
#include "store/store.h"

namespace mesh {

// `stored` is the Mesh as it is; null when it is new.
void check_mesh_change(const Mesh& mesh, const std::string& name, const Resource* stored, const Store& store,
                       Violations& violations);

// The name of a service is a part of names in DNS.
void check_service_name(const Resource& service, Violations& violations);

// A mesh with dataplanes in it, a secret that a CA needs, a zone whose control plane is connected.
Status check_removal(const Resource& resource, const Store& store, bool unsafe_delete, Violations& violations);

}  // namespace mesh
