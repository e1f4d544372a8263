// Where resources last. A write returns when it is durable; every committed write appears, in commit order, in the
// change feed. Three implementations are to come: memory, SQLite, PostgreSQL; one contract suite proves each
// (`store/contract`).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/resource.h"

namespace mesh {

// What a write expects to find. Conflict when it is otherwise.
struct Expect {
  enum class What { Anything, Absent, AtRevision };
  What what = What::Anything;
  Revision revision = 0;

  static Expect anything() { return {}; }
  static Expect absent() { return {What::Absent, 0}; }
  static Expect at(Revision revision) { return {What::AtRevision, revision}; }
};

struct Write {
  enum class Op { Put, Delete };
  Op op = Op::Put;
  Resource resource;  // for Delete only the key counts
  Expect expect;
  // The resource this one goes away with. Resources of a mesh are owned by their Mesh unless another owner is named;
  // an update without one keeps the owner that it has.
  std::optional<ResourceKey> owner = {};
  // Delete: Conflict when it owns resources of this kind at that moment. What is checked before the write may be
  // otherwise by then.
  const Kind* unless_owns = nullptr;
};

struct Query {
  const Kind* kind = nullptr;
  std::string mesh = {};           // empty: all meshes
  std::string name_contains = {};  // empty: all names
  Labels labels = {};              // all must match
  std::size_t offset = 0;          // into the list in order of (mesh, name)
  std::size_t size = 0;            // 0: all
};

struct Page {
  std::vector<Resource> items;
  std::size_t total = 0;  // matching resources, whatever the page
};

struct Change {
  enum class Op { Put, Delete };
  Op op = Op::Put;
  Resource resource;  // for Delete: key and the revision of the deletion
};

// Changes are in commit order, and a transaction is never cut in two. A version that was replaced meanwhile is left
// out: what counts is that folding the batches gives the content.
struct ChangeBatch {
  Revision upto = 0;        // everything up to here is in the batches so far
  bool from_start = false;  // forget what you knew: `changes` is the whole content (the log no longer reached back)
  std::vector<Change> changes;
};

// Thread-safe. Methods may block for disk or network.
class Store {
 public:
  virtual ~Store() = default;

  // All of them or none, in one transaction; returns the revision of the last. Conflict, Invalid (the owner is not
  // there), Unavailable (the disk is full, the database is away: the message says which). `created` of what is there
  // stays; `modified` and the rest are the caller's.
  // Deleting also deletes what the resource owns; deleting what is not there is NotFound.
  virtual Result<Revision> write(std::vector<Write> writes) = 0;

  virtual Result<Resource> get(const ResourceKey& key) const = 0;  // NotFound
  virtual Result<Page> list(const Query& query) const = 0;

  // The change feed: blocks until something was committed after `after`, or stop: then `upto` is `after` still. What is
  // there already is given at once, also when stop was requested before: so one can look without waiting.
  // `after` = 0 reads everything there is (and blocks while there is nothing).
  virtual Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) = 0;

  // A random id made when the store was created: who reads `clusterId` sees it.
  virtual std::string id() const = 0;
};

}  // namespace mesh
