#include "store/contents.h"

#include <algorithm>

namespace mesh {
namespace {

bool matches(const Resource& resource, const Query& query) {
  if (!query.mesh.empty() && resource.key.mesh != query.mesh) return false;
  if (!query.name_contains.empty() && !resource.key.name.contains(query.name_contains)) return false;
  return std::ranges::all_of(query.labels, [&](const auto& wanted) {
    const auto found = resource.labels.find(wanted.first);
    return found != resource.labels.end() && found->second == wanted.second;
  });
}

}  // namespace

StoredRow Contents::find(const ResourceKey& key) const {
  const auto found = rows_.find(key);
  return found == rows_.end() ? nullptr : found->second;
}

Result<Resource> Contents::get(const ResourceKey& key) const {
  StoredRow row;
  {
    std::shared_lock lock(mutex_);
    row = find(key);
  }
  if (row == nullptr) return error(ErrorKind::NotFound, key.to_string() + " is not there");
  return row->resource;
}

Page Contents::list(const Query& query) const {
  std::vector<StoredRow> found;
  Page page;
  if (query.kind == nullptr) return page;
  {
    std::shared_lock lock(mutex_);
    for (auto at = rows_.lower_bound({query.kind, query.mesh, ""}); at != rows_.end(); ++at) {
      if (at->first.kind != query.kind || (!query.mesh.empty() && at->first.mesh != query.mesh)) break;
      if (!matches(at->second->resource, query)) continue;
      const std::size_t position = page.total++;
      if (position >= query.offset && (query.size == 0 || found.size() < query.size)) found.push_back(at->second);
    }
  }
  page.items.reserve(found.size());
  for (const StoredRow& row : found) page.items.push_back(row->resource);
  return page;
}

bool Contents::has_news(Revision after) const {
  if (after == 0) return !rows_.empty();  // who knows nothing needs no deletions
  return after != revision_;
}

ChangeBatch Contents::wait_for_changes(Revision after, std::stop_token stop) const {
  std::shared_lock lock(mutex_);
  // What is there already is given even when asked to stop: so one can look without waiting.
  if (!committed_.wait(lock, stop, [&] { return has_news(after); }))
    return {.upto = after, .from_start = false, .changes = {}};
  return changes_after(after);
}

ChangeBatch Contents::changes_after(Revision after) const {
  ChangeBatch batch{.upto = revision_, .from_start = false, .changes = {}};
  // A reader ahead of us has read another store, or one that was put back from a backup.
  batch.from_start = after == 0 || after < forgotten_upto_ || after > revision_;
  if (batch.from_start) after = 0;

  auto deletion = deletions_.end();
  if (!batch.from_start)
    deletion = std::ranges::upper_bound(deletions_, after, {}, [](const auto& entry) { return entry.first; });
  const auto add_deletions_before = [&](Revision revision) {
    for (; deletion != deletions_.end() && deletion->first < revision; ++deletion) {
      Change& change = batch.changes.emplace_back();
      change.op = Change::Op::Delete;
      change.resource.key = deletion->second;
      change.resource.revision = deletion->first;
    }
  };
  for (auto at = by_revision_.upper_bound(after); at != by_revision_.end(); ++at) {
    add_deletions_before(at->first);
    batch.changes.push_back({Change::Op::Put, at->second->resource});
  }
  add_deletions_before(revision_ + 1);
  return batch;
}

void Contents::load(std::vector<StoredRow> rows, Revision upto) {
  {
    std::unique_lock lock(mutex_);
    for (const StoredRow& row : rows) put(row);
    revision_ = upto;
    forgotten_upto_ = upto;
  }
  committed_.notify_all();
}

void Contents::commit(const Draft& draft) {
  if (draft.entries().empty()) return;
  {
    std::unique_lock lock(mutex_);
    for (const Draft::Entry& entry : draft.entries()) {
      if (entry.row != nullptr)
        put(entry.row);
      else
        erase(entry.key, entry.revision);
    }
    revision_ = draft.revision();
  }
  committed_.notify_all();
}

void Contents::put(const StoredRow& row) {
  const Resource& resource = row->resource;
  StoredRow& place = rows_[resource.key];
  if (place != nullptr) unlink(*place);
  place = row;
  by_revision_.emplace(resource.revision, row);
  if (row->owner) owned_[*row->owner].insert(resource.key);
  if (resource.key.kind->name == "Mesh") mesh_kind_ = resource.key.kind;
}

void Contents::erase(const ResourceKey& key, Revision revision) {
  const auto found = rows_.find(key);
  if (found == rows_.end()) return;
  unlink(*found->second);
  rows_.erase(found);
  deletions_.emplace_back(revision, key);
  if (deletions_.size() > limits_.remembered_deletions) {
    forgotten_upto_ = deletions_.front().first;
    deletions_.pop_front();
  }
}

void Contents::unlink(const StoredResource& row) {
  by_revision_.erase(row.resource.revision);
  if (!row.owner) return;
  const auto owned = owned_.find(*row.owner);
  if (owned == owned_.end()) return;
  owned->second.erase(row.resource.key);
  if (owned->second.empty()) owned_.erase(owned);
}

}  // namespace mesh
