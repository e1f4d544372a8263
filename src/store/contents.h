// What a store holds, as a value in memory: the part that every backend shares which keeps its content in the process.
// `Draft` decides what a batch of writes would do; `Contents::commit` does it. Between the two a backend makes the
// changes durable, so that readers never see what may still fail.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "store/store.h"

namespace mesh {

// A resource and what it goes away with. Immutable once it is in the content.
struct StoredResource {
  Resource resource;
  std::optional<ResourceKey> owner;
};
using StoredRow = std::shared_ptr<const StoredResource>;  // null: deleted

class Draft;

struct ContentsLimits {
  std::size_t remembered_deletions = 10'000;
};

// Any number of threads may read. One at a time may write: make a Draft and commit it.
//
// The feed needs no log of writes: every row knows the revision that made it, so "what came after R" is an index of
// rows by revision. Only deletions must be remembered; who is further behind than these reach gets the whole content.
class Contents {
 public:
  explicit Contents(ContentsLimits limits = {}) : limits_(limits) {}

  Result<Resource> get(const ResourceKey& key) const;
  Page list(const Query& query) const;
  ChangeBatch wait_for_changes(Revision after, std::stop_token stop) const;

  // Fills an empty content with what a backend has kept; `upto` is the revision of its last write.
  void load(std::vector<StoredRow> rows, Revision upto);
  void commit(const Draft& draft);

 private:
  friend class Draft;

  StoredRow find(const ResourceKey& key) const;
  void put(const StoredRow& row);
  void erase(const ResourceKey& key, Revision revision);
  void unlink(const StoredResource& row);
  bool has_news(Revision after) const;
  ChangeBatch changes_after(Revision after) const;

  const ContentsLimits limits_;
  mutable std::shared_mutex mutex_;
  mutable std::condition_variable_any committed_;
  Revision revision_ = 0;
  std::map<ResourceKey, StoredRow> rows_;                   // in order of (kind, mesh, name)
  std::map<Revision, StoredRow> by_revision_;               // the same rows, in commit order
  std::map<ResourceKey, std::set<ResourceKey>> owned_;      // owner → what goes away with it
  std::deque<std::pair<Revision, ResourceKey>> deletions_;  // in commit order
  Revision forgotten_upto_ = 0;                             // deletions up to here are not remembered
  const Kind* mesh_kind_ = nullptr;                         // seen with the first Mesh
};

// Batches of writes, tried one after the other on top of a Contents. A batch is taken whole or leaves no trace. The
// writing thread owns it; `base` must not be committed to meanwhile, except with this draft.
class Draft {
 public:
  struct Entry {
    StoredRow row;  // null: deleted
    ResourceKey key;
    Revision revision = 0;
  };

  explicit Draft(const Contents& base) : base_(base), revision_(base.revision_), mesh_kind_(base.mesh_kind_) {}

  Result<Revision> stage(std::vector<Write> writes);

  std::span<const Entry> entries() const { return entries_; }  // in order of revision
  Revision revision() const { return revision_; }

 private:
  Status stage_one(Write& write);
  Status stage_put(Write& write, const StoredRow& existing);
  void stage_delete(const ResourceKey& key);
  Result<std::optional<ResourceKey>> owner_of(const Write& write, const StoredRow& existing) const;
  std::vector<ResourceKey> owned_by(const ResourceKey& owner) const;
  StoredRow find(const ResourceKey& key) const;
  void record(const ResourceKey& key, StoredRow row);
  void take_back(std::size_t entries, Revision revision);

  const Contents& base_;
  Revision revision_;
  std::vector<Entry> entries_;
  std::map<ResourceKey, std::vector<StoredRow>> touched_;  // versions made by this draft, the newest last
  const Kind* mesh_kind_;
};

}  // namespace mesh
