#include "snapshot/snapshot.h"

namespace mesh {

bool operator==(const Endpoint& a, const Endpoint& b) {
  const bool same_labels = a.labels == b.labels || (a.labels && b.labels && *a.labels == *b.labels);
  return a.dataplane == b.dataplane && a.address == b.address && a.port == b.port && a.tags == b.tags && same_labels &&
         a.inbound == b.inbound;
}

const std::vector<SharedResource>& MeshSnapshot::policies_of(const Kind& kind) const {
  static const std::vector<SharedResource> none;
  const auto found = policies.find(&kind);
  return found == policies.end() ? none : *found->second;
}

const ServiceView* MeshSnapshot::find_service(const std::string& service) const {
  const auto* found = services.get(service);
  return found == nullptr ? nullptr : found->get();
}

MeshServicesMode MeshSnapshot::mesh_services_mode() const {
  return spec().mesh_services ? spec().mesh_services->mode : MeshServicesMode::Disabled;
}

std::shared_ptr<const ServiceView> MeshSnapshot::find_view(const std::string& view) const {
  const auto* found = view.contains('/') ? selected.get(view) : services.get(view);
  return found == nullptr ? nullptr : *found;
}

std::shared_ptr<const MeshSnapshot> Snapshot::find(const std::string& mesh) const {
  const auto found = meshes.find(mesh);
  return found == meshes.end() ? nullptr : found->second;
}

}  // namespace mesh
