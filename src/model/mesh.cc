#include "model/mesh.h"

#include "model/rules.h"

namespace mesh {

const Kind kMeshKind = describe_kind<Mesh>({.name = "Mesh",
                                            .path = "meshes",
                                            .short_name = "m",
                                            .singular = "Mesh",
                                            .plural = "Meshes",
                                            .scope = Scope::Global,
                                            .layout = Layout::Flat,
                                            .made_in_zones = false,
                                            .validate = validate_mesh});

const CaBackend* Mesh::enabled_ca() const {
  if (!mtls || mtls->enabled_backend.empty()) return nullptr;
  for (const CaBackend& backend : mtls->backends)
    if (backend.name == mtls->enabled_backend) return &backend;
  return nullptr;
}

}  // namespace mesh
