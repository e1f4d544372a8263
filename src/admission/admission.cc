#include "admission/admission.h"

#include <fmt/format.h>

#include "admission/consistency.h"
#include "admission/labels.h"
#include "admission/membership.h"
#include "admission/mesh_companions.h"
#include "model/dataplane.h"
#include "model/json.h"
#include "model/mesh.h"
#include "model/rules.h"

namespace mesh {
namespace {

constexpr int kAttempts = 5;  // when others change the same resource at the same time

bool is_same(const Resource& stored, const Resource& draft) {
  const Kind& kind = *draft.key.kind;
  if (stored.labels != draft.labels || kind.print(stored.spec) != kind.print(draft.spec)) return false;
  if (stored.status.empty() != draft.status.empty()) return false;
  return draft.status.empty() || kind.print_status == nullptr ||
         kind.print_status(stored.status) == kind.print_status(draft.status);
}

// What the control plane adds to what was asked for.
void complete(Resource& draft, const std::optional<Resource>& stored, const Mesh* mesh, const Actor& actor,
              const std::string& zone) {
  if (const auto* dataplane = draft.spec.as<Dataplane>(); dataplane != nullptr && mesh != nullptr) {
    Dataplane completed = *dataplane;
    add_zone_tags(completed, *mesh, zone);
    // An inbound that is probed is not ready until it was.
    if (!stored)
      for (Inbound& inbound : completed.networking.inbound)
        if (inbound.service_probe) {
          inbound.state = InboundState::NotReady;
          inbound.health = InboundHealth{.ready = false};
        }
    draft.spec = AnySpec::of(std::move(completed));
  }
  add_computed_labels(draft, zone);
  if (actor.via == Via::Api) draft.status = stored ? stored->status : AnySpec();
}

std::size_t size_of(const Resource& resource) {
  std::size_t size = print_json(resource.key.kind->print(resource.spec)).size();
  for (const auto& [name, value] : resource.labels) size += name.size() + value.size();
  return size;
}

Error no_mesh(const std::string& name) {
  return error(ErrorKind::NotFound, fmt::format("there is no mesh \"{}\"", name));
}

Error refused(const ResourceKey& key, Violations violations) {
  return {ErrorKind::Invalid, {}, key.to_string() + " is not valid", std::move(violations)};
}

}  // namespace

Admission::Admission(Store& store, const KindRegistry& kinds, AdmissionSettings settings, const Clock& clock)
    : store_(store), kinds_(kinds), settings_(std::move(settings)), clock_(clock) {}

Result<Admission::Outcome> Admission::put(Resource draft, const Actor& actor) {
  MESH_RETURN_IF_ERROR(check_may_write(*draft.key.kind, actor));
  for (int attempt = 1;; ++attempt) {
    auto outcome = put_once(draft, actor);
    if (outcome || outcome.error().kind != ErrorKind::Conflict || attempt == kAttempts) return outcome;
  }
}

Result<Admission::Outcome> Admission::put_once(const Resource& draft, const Actor& actor) {
  const Kind& kind = *draft.key.kind;
  MESH_TRY(const std::optional<Resource> stored, find(draft.key));
  std::optional<Resource> owner;
  if (kind.scope == Scope::Mesh) {
    MESH_TRY(owner, find({&kMeshKind, {}, draft.key.mesh}));
    if (!owner) return no_mesh(draft.key.mesh);
  }
  const Mesh* mesh_of_draft = owner ? owner->spec.as<Mesh>() : nullptr;

  Violations violations;
  check_name(draft.key.name, "name", violations);
  check_resource_labels(draft, settings_.zone, violations);
  Resource resource = draft;
  complete(resource, stored, mesh_of_draft, actor, settings_.zone);
  if (stored && actor.via == Via::Api) {
    Resource before = *stored;
    add_computed_labels(before, settings_.zone);
    check_immutable_labels(before, resource, violations);
  }
  if (kind.validate != nullptr) kind.validate(resource.spec, violations);
  if (const auto* dataplane = resource.spec.as<Dataplane>(); dataplane != nullptr && mesh_of_draft != nullptr)
    check_membership(*dataplane, *mesh_of_draft, resource.key.mesh, violations);
  check_service_name(resource, violations);
  const Mesh* as_mesh = resource.spec.as<Mesh>();
  if (as_mesh != nullptr)
    check_mesh_change(*as_mesh, resource.key.name, stored ? &*stored : nullptr, store_, violations);
  if (!violations.empty()) return refused(resource.key, std::move(violations));

  if (const std::size_t size = size_of(resource); size > settings_.max_resource_bytes)
    return error(ErrorKind::TooLarge, fmt::format("{} has {} bytes; may have at most {}", resource.key.to_string(),
                                                  size, settings_.max_resource_bytes));

  Outcome outcome{.resource = resource, .created = !stored, .changed = true, .warnings = {}};
  if (kind.warn != nullptr) kind.warn(resource.spec, outcome.warnings);
  std::vector<Write> writes;
  if (as_mesh != nullptr) {
    MESH_TRY(writes, companion_writes(*as_mesh, resource.key.name, !stored, store_, settings_, clock_));
  }
  if (stored && writes.empty() && is_same(*stored, resource)) {
    outcome.resource = *stored;
    outcome.changed = false;
    return outcome;
  }

  const SystemTime now = clock_.now();
  outcome.resource.created = stored ? stored->created : now;
  outcome.resource.modified = now;
  writes.insert(writes.begin(), Write{.op = Write::Op::Put,
                                      .resource = outcome.resource,
                                      .expect = stored ? Expect::at(stored->revision) : Expect::absent(),
                                      .owner = {}});
  auto revision = store_.write(std::move(writes));
  if (!revision) {
    // Its mesh may have gone since we looked, and takes with it what is in it: to the caller it was never there.
    if (owner && revision.error().kind == ErrorKind::Invalid) {
      MESH_TRY(const std::optional<Resource> mesh, find(owner->key));
      if (!mesh) return no_mesh(draft.key.mesh);
    }
    return std::move(revision).error();
  }
  outcome.resource.revision = *revision;
  return outcome;
}

Status Admission::remove(const ResourceKey& key, const Actor& actor) {
  MESH_RETURN_IF_ERROR(check_may_write(*key.kind, actor));
  for (int attempt = 1;; ++attempt) {
    Status removed = remove_once(key);
    if (removed || removed.error().kind != ErrorKind::Conflict || attempt == kAttempts) return removed;
  }
}

Status Admission::remove_once(const ResourceKey& key) {
  MESH_TRY(const std::optional<Resource> stored, find(key));
  if (!stored) return error(ErrorKind::NotFound, fmt::format("there is no {}", key.to_string()));
  Violations violations;
  MESH_RETURN_IF_ERROR(check_removal(*stored, store_, settings_.unsafe_delete, violations));
  if (!violations.empty()) return refused(key, std::move(violations));
  Write write{.op = Write::Op::Delete, .resource = {}, .expect = Expect::anything()};
  write.resource.key = key;
  // A proxy may register itself after the check: then it counts.
  if (key.kind == &kMeshKind && !settings_.unsafe_delete) write.unless_owns = &kDataplaneKind;
  MESH_RETURN_IF_ERROR(store_.write({std::move(write)}));
  return {};
}

Status Admission::check_may_write(const Kind& kind, const Actor& actor) const {
  if (actor.via == Via::ControlPlane) return {};
  if (kind.read_only) return error(ErrorKind::Denied, kind.name + " resources are written by the control plane only");
  return actor.via == Via::Proxy ? Status() : check_kind_access(settings_.access, actor.user, kind);
}

Result<std::optional<Resource>> Admission::find(const ResourceKey& key) const {
  auto found = store_.get(key);
  if (found) return std::optional<Resource>(std::move(*found));
  if (found.error().kind == ErrorKind::NotFound) return std::optional<Resource>();
  return std::move(found).error();
}

}  // namespace mesh
