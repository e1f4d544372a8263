// Resources as rows of the database: what is read, and what is written in one statement.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "store/contents.h"
#include "store/postgres/connection.h"

namespace mesh {

// The kinds of rows. A newer control plane beside this one may have written kinds that this build does not know: here
// they get a name and nothing else, so that they go with their owners. Thread-safe.
class RowKinds {
 public:
  explicit RowKinds(const KindRegistry& registry) : registry_(registry) {}
  const Kind* find(std::string_view name) const { return registry_.find_by_name(name); }
  const Kind* find_or_make(std::string_view name);

 private:
  const KindRegistry& registry_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Kind>, std::less<>> unknown_;
};

// Columns of a resource as it is read, for a SELECT.
inline constexpr const char* kResourceColumns =
    "r.kind, r.mesh, r.name, r.revision, r.created, r.modified, r.labels, r.spec, r.status";
Result<Resource> read_resource(const PostgresRows& rows, int row, const KindRegistry& registry, int first_column = 0);

// What a write must know of what is there: no labels, no spec.
inline constexpr const char* kOutlineColumns =
    "kind, mesh, name, revision, created, owner_kind, owner_mesh, owner_name";
StoredRow read_outline(const PostgresRows& rows, int row, RowKinds& kinds);

// JSON arrays of records, for json_to_recordset.
std::string rows_json(std::span<const StoredRow> rows);
std::string deletions_json(std::span<const Draft::Entry> deletions);
struct WantedKey {
  ResourceKey key;
  bool with_owned = false;  // and everything that goes away with it
};
std::string keys_json(std::span<const WantedKey> keys);

}  // namespace mesh
