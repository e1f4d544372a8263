#include <fmt/format.h>

#include "store/contents.h"

namespace mesh {
namespace {

Status check_key(const ResourceKey& key) {
  if (key.kind == nullptr) return error(ErrorKind::Internal, "a write names no kind");
  if (key.name.empty()) return invalid("name", "must not be empty");
  if ((key.kind->scope == Scope::Mesh) == key.mesh.empty())
    return invalid("mesh", key.mesh.empty() ? fmt::format("must be set: {} lies in a mesh", key.kind->name)
                                            : fmt::format("must be empty: {} lies in no mesh", key.kind->name));
  return {};
}

Status check_expectation(const ResourceKey& key, const Expect& expect, const StoredRow& existing) {
  switch (expect.what) {
    case Expect::What::Anything: return {};
    case Expect::What::Absent:
      if (existing == nullptr) return {};
      return error(ErrorKind::Conflict, key.to_string() + " exists already");
    case Expect::What::AtRevision:
      if (existing == nullptr) return error(ErrorKind::Conflict, key.to_string() + " was deleted meanwhile");
      if (existing->resource.revision == expect.revision) return {};
      return error(ErrorKind::Conflict, fmt::format("{} was changed meanwhile: it is at revision {}, not {}",
                                                    key.to_string(), existing->resource.revision, expect.revision));
  }
  return {};
}

}  // namespace

Result<Revision> Draft::stage(std::vector<Write> writes) {
  const std::size_t entries_before = entries_.size();
  const Revision revision_before = revision_;
  for (Write& write : writes) {
    if (Status status = stage_one(write); !status.has_value()) {
      take_back(entries_before, revision_before);
      return std::move(status).error();
    }
  }
  return revision_;
}

Status Draft::stage_one(Write& write) {
  const ResourceKey& key = write.resource.key;
  MESH_RETURN_IF_ERROR(check_key(key));
  const StoredRow existing = find(key);
  if (write.op == Write::Op::Delete && existing == nullptr)
    return error(ErrorKind::NotFound, key.to_string() + " is not there");
  MESH_RETURN_IF_ERROR(check_expectation(key, write.expect, existing));
  if (write.op == Write::Op::Put) return stage_put(write, existing);
  if (write.unless_owns != nullptr) {
    for (const ResourceKey& owned : owned_by(key))
      if (owned.kind->name == write.unless_owns->name)
        return error(ErrorKind::Conflict, fmt::format("{} still has {}", key.to_string(), owned.to_string()));
  }
  stage_delete(ResourceKey(key));
  return {};
}

Status Draft::stage_put(Write& write, const StoredRow& existing) {
  MESH_TRY(std::optional<ResourceKey> owner, owner_of(write, existing));
  auto row = std::make_shared<StoredResource>();
  row->resource = std::move(write.resource);
  row->owner = std::move(owner);
  if (existing != nullptr) row->resource.created = existing->resource.created;
  row->resource.revision = ++revision_;
  const ResourceKey key = row->resource.key;
  if (key.kind->name == "Mesh") mesh_kind_ = key.kind;
  record(key, std::move(row));
  return {};
}

// What is owned goes after its owner; a circle of owners ends at what is gone already.
void Draft::stage_delete(const ResourceKey& key) {
  ++revision_;
  record(key, nullptr);
  for (const ResourceKey& owned : owned_by(key))
    if (find(owned) != nullptr) stage_delete(owned);
}

Result<std::optional<ResourceKey>> Draft::owner_of(const Write& write, const StoredRow& existing) const {
  const ResourceKey& key = write.resource.key;
  std::optional<ResourceKey> owner = write.owner;
  if (!owner && existing != nullptr) return existing->owner;
  if (!owner && key.kind->scope == Scope::Mesh) {
    if (mesh_kind_ == nullptr) return invalid("mesh", fmt::format("mesh \"{}\" does not exist", key.mesh));
    owner = ResourceKey{mesh_kind_, "", key.mesh};
    if (find(*owner) == nullptr) return invalid("mesh", fmt::format("mesh \"{}\" does not exist", key.mesh));
  }
  if (owner && find(*owner) == nullptr)
    return invalid("", fmt::format("{} is to be owned by {}, which is not there", key.to_string(), owner->to_string()));
  return owner;
}

std::vector<ResourceKey> Draft::owned_by(const ResourceKey& owner) const {
  std::set<ResourceKey> owned;
  if (const auto found = base_.owned_.find(owner); found != base_.owned_.end())
    for (const ResourceKey& key : found->second)
      if (!touched_.contains(key)) owned.insert(key);
  for (const auto& [key, versions] : touched_)
    if (!versions.empty() && versions.back() != nullptr && versions.back()->owner == owner) owned.insert(key);
  return {owned.begin(), owned.end()};
}

StoredRow Draft::find(const ResourceKey& key) const {
  const auto found = touched_.find(key);
  return found == touched_.end() ? base_.find(key) : found->second.back();
}

void Draft::record(const ResourceKey& key, StoredRow row) {
  touched_[key].push_back(row);
  entries_.push_back({std::move(row), key, revision_});
}

void Draft::take_back(std::size_t entries, Revision revision) {
  for (; entries_.size() > entries; entries_.pop_back()) {
    const auto found = touched_.find(entries_.back().key);
    found->second.pop_back();
    if (found->second.empty()) touched_.erase(found);
  }
  revision_ = revision;
}

}  // namespace mesh
