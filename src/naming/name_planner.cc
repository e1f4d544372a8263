#include "naming/name_planner.h"

#include "model/dataplane.h"
#include "model/insight.h"
#include "naming/service_draft.h"

namespace mesh {
namespace {

std::optional<SystemTime> grace_began(const Resource& service) {
  const auto label = service.labels.find(kDeletionGraceLabel);
  if (label == service.labels.end()) return std::nullopt;
  const Result<SystemTime> time = parse_time(label->second);
  return time ? std::optional(*time) : std::nullopt;
}

bool is_service(const Kind* kind) {
  return kind == &kMeshServiceKind || kind == &kMeshMultiZoneServiceKind || kind == &kMeshExternalServiceKind;
}

}  // namespace

NamePlanner::NamePlanner(NamingSettings settings)
    : settings_(std::move(settings)), ledger_(settings_.ranges, settings_.quarantine), hostnames_(settings_.zone) {}

void NamePlanner::on_put(const Resource& resource) {
  const Kind* kind = resource.key.kind;
  if (kind == &kMeshKind) return on_mesh(resource);
  if (kind == &kDataplaneKind) return book_.on_dataplane(resource);
  if (kind == &kDataplaneInsightKind) return book_.on_insight(resource);
  if (kind == &kHostnameGeneratorKind) return hostnames_.on_generator(resource);
  if (kind == &kAddressBlockKind) return ledger_.on_block(resource);
  if (is_service(kind)) on_service(resource);
}

void NamePlanner::on_mesh(const Resource& resource) {
  const auto* mesh = resource.spec.as<Mesh>();
  if (mesh == nullptr) return;
  const MeshFacts facts{mesh->mesh_services ? mesh->mesh_services->mode : MeshServicesMode::Disabled,
                        mesh->enabled_ca() != nullptr};
  const std::string& name = resource.key.name;
  const auto known = meshes_.find(name);
  if (known != meshes_.end() && known->second == facts) return;
  meshes_[name] = facts;
  tags_.merge(book_.tags_of_mesh(name));
  for (auto each = services_.lower_bound({&kMeshServiceKind, name, {}});
       each != services_.end() && each->first.kind == &kMeshServiceKind && each->first.mesh == name; ++each)
    dirty_.insert(each->first);
}

void NamePlanner::on_service(const Resource& resource) {
  Service& service = services_[resource.key];
  const bool is_mesh_service = resource.key.kind == &kMeshServiceKind;
  if (is_mesh_service && (service.stored.spec.empty() || service.stored.labels != resource.labels)) {
    touch_multi_zone(resource.key.mesh, service.stored.labels);
    touch_multi_zone(resource.key.mesh, resource.labels);
  }
  service.stored = resource;
  service.waits = false;
  hostnames_.on_service(resource);
  if (is_mesh_service) book_.on_service(resource);
  if (const std::optional<SystemTime> began = grace_began(resource); began && is_generated(resource))
    grace_[resource.key] = *began + std::chrono::duration_cast<SystemTime::duration>(settings_.deletion_grace);
  else
    grace_.erase(resource.key);
  gone_.erase(owner_of(resource.key));
  dirty_.insert(resource.key);
}

void NamePlanner::on_delete(const ResourceKey& key) {
  if (key.kind == &kMeshKind) {
    meshes_.erase(key.name);
    tags_.merge(book_.tags_of_mesh(key.name));
  } else if (key.kind == &kDataplaneKind) {
    book_.on_dataplane_gone(key);
  } else if (key.kind == &kDataplaneInsightKind) {
    book_.on_insight_gone(key);
  } else if (key.kind == &kHostnameGeneratorKind) {
    hostnames_.on_generator_gone(key.name);
  } else if (key.kind == &kAddressBlockKind) {
    ledger_.on_block_gone(key.name);
  } else if (const auto service = services_.find(key); service != services_.end()) {
    if (key.kind == &kMeshServiceKind) {
      touch_multi_zone(key.mesh, service->second.stored.labels);
      book_.on_service_gone(key);
      tags_.insert({key.mesh, key.name});  // Dataplanes may want it back
    }
    hostnames_.on_service_gone(key);
    services_.erase(service);
    grace_.erase(key);
    later_.erase(key);
    dirty_.erase(key);
    without_address_.erase(key);
    gone_.insert(owner_of(key));
  }
}

void NamePlanner::touch_multi_zone(const std::string& mesh, const Labels& labels) {
  for (auto each = services_.lower_bound({&kMeshMultiZoneServiceKind, mesh, {}});
       each != services_.end() && each->first.kind == &kMeshMultiZoneServiceKind && each->first.mesh == mesh; ++each)
    if (const auto* spec = each->second.stored.spec.as<MeshMultiZoneService>();
        spec != nullptr && spec->selector.mesh_service.matches(labels))
      dirty_.insert(each->first);
}

void NamePlanner::on_write_failed(const Write& write) {
  const ResourceKey& key = write.resource.key;
  if (key.kind == &kAddressBlockKind) return ledger_.on_write_failed(key.name);
  const auto found = services_.find(key);
  if (found == services_.end()) return;
  found->second.waits = false;
  dirty_.insert(key);
  if (found->second.stored.spec.empty()) {  // it was to be made: so far it is not there
    hostnames_.on_service_gone(key);
    book_.on_service_gone(key);
    services_.erase(found);
  } else if (!write.remove) {
    hostnames_.on_service(found->second.stored);
    if (key.kind == &kMeshServiceKind) book_.on_service(found->second.stored);
  }
}

}  // namespace mesh
