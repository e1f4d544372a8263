#include "store/sqlite/journal.h"

#include <fmt/format.h>

#include "base/log.h"
#include "store/sqlite/migrations.h"
#include "store/stored_text.h"

namespace mesh {
namespace {

void bind_part(Statement& statement, const std::string& part) {
  if (part.empty())
    statement.bind_null();
  else
    statement.bind(part);
}

Result<ResourceKey> read_key(const Statement& row, int first, const KindRegistry& registry) {
  const Kind* kind = registry.find_by_name(row.text(first));
  if (kind == nullptr) return error(ErrorKind::Invalid, fmt::format("kind \"{}\" is unknown", row.text(first)));
  return ResourceKey{kind, row.text(first + 1), row.text(first + 2)};
}

constexpr const char* kSelect =
    "SELECT kind, mesh, name, revision, created, modified, labels, owner_kind, owner_mesh, owner_name, spec, status "
    "FROM resources";

Result<StoredRow> read_row(const Statement& row, const KindRegistry& registry) {
  auto stored = std::make_shared<StoredResource>();
  Resource& resource = stored->resource;
  MESH_TRY(resource.key, read_key(row, 0, registry));
  resource.revision = static_cast<Revision>(row.number(3));
  resource.created = time_of_stored(row.number(4));
  resource.modified = time_of_stored(row.number(5));
  MESH_TRY(resource.labels, labels_of_stored(row.text(6)));
  if (!row.is_null(7)) {
    MESH_TRY(stored->owner, read_key(row, 7, registry));
  }
  MESH_TRY(resource.spec, spec_of_stored(*resource.key.kind, row.text(10)));
  MESH_TRY(resource.status, status_of_stored(*resource.key.kind, row.text(11)));
  return StoredRow(std::move(stored));
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::filesystem::path& path,
                                               std::chrono::milliseconds wait_for_lock) {
  MESH_TRY(Database database, Database::open(path, wait_for_lock));
  std::unique_ptr<Journal> journal(new Journal(std::move(database)));
  MESH_RETURN_IF_ERROR(journal->prepare());
  return journal;
}

// Exclusive locking comes first: it keeps a second process out, and the write-ahead log then needs no shared memory, so
// that the file may lie on a network file system.
Status Journal::prepare() {
  MESH_RETURN_IF_ERROR(database_.execute("PRAGMA locking_mode = EXCLUSIVE"));
  MESH_TRY(const std::string mode, database_.ask("PRAGMA journal_mode = WAL"));
  if (mode != "wal")
    return error(ErrorKind::Unavailable,
                 fmt::format("the store {}: it cannot have a write-ahead log here (its journal is \"{}\")",
                             database_.path().string(), mode));
  MESH_RETURN_IF_ERROR(database_.execute(
      "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216"));
  MESH_RETURN_IF_ERROR(migrate(database_));
  MESH_TRY(const std::string health, database_.ask("PRAGMA quick_check(1)"));
  if (health != "ok")
    return error(
        ErrorKind::Unavailable,
        fmt::format("the store {}: it is damaged ({}): put back a backup, or move it away to start with an empty store",
                    database_.path().string(), health));
  MESH_TRY(put_, database_.prepare(
                     "INSERT OR REPLACE INTO resources (kind, mesh, name, revision, created, modified, labels, "
                     "owner_kind, owner_mesh, owner_name, spec, status) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"));
  MESH_TRY(erase_, database_.prepare("DELETE FROM resources WHERE kind = ? AND mesh = ? AND name = ?"));
  MESH_TRY(erase_owned_,
           database_.prepare("DELETE FROM resources WHERE owner_kind = ? AND owner_mesh = ? AND owner_name = ?"));
  MESH_TRY(set_revision_, database_.prepare("UPDATE store SET revision = ?"));
  MESH_TRY(id_, database_.ask("SELECT id FROM store"));
  return {};
}

Result<Journal::Loaded> Journal::load(const KindRegistry& registry) {
  Loaded loaded;
  MESH_TRY(const std::string revision, database_.ask("SELECT revision FROM store"));
  loaded.revision = std::stoull(revision);
  MESH_TRY(Statement row, database_.prepare(kSelect));
  for (;;) {
    MESH_TRY(const bool more, row.next());
    if (!more) break;
    Result<StoredRow> stored = read_row(row, registry);
    if (stored.has_value()) {
      loaded.rows.push_back(std::move(*stored));
      continue;
    }
    has_unreadable_ = true;
    MESH_LOG_ERROR("store", "{} \"{}\" in mesh \"{}\" is left out, and kept in {}: {}", row.text(0), row.text(2),
                   row.text(1), database_.path().string(), stored.error().message());
  }
  return loaded;
}

Status Journal::append(std::span<const Draft::Entry> entries, Revision revision) {
  MESH_RETURN_IF_ERROR(database_.execute("BEGIN IMMEDIATE"));
  Status written = write_all(entries, revision);
  if (written.has_value()) written = database_.execute("COMMIT");
  if (!written.has_value() && database_.in_transaction()) (void)database_.execute("ROLLBACK");
  return written;
}

Status Journal::write_all(std::span<const Draft::Entry> entries, Revision revision) {
  for (const Draft::Entry& entry : entries)
    MESH_RETURN_IF_ERROR(entry.row != nullptr ? put(*entry.row) : erase(entry.key));
  return set_revision_.bind(static_cast<std::int64_t>(revision)).run();
}

Status Journal::put(const StoredResource& row) {
  const Resource& resource = row.resource;
  put_.bind(resource.key.kind->name).bind(resource.key.mesh).bind(resource.key.name);
  put_.bind(static_cast<std::int64_t>(resource.revision))
      .bind(stored_time(resource.created))
      .bind(stored_time(resource.modified));
  put_.bind(stored_labels(resource.labels));
  if (row.owner)
    put_.bind(row.owner->kind->name).bind(row.owner->mesh).bind(row.owner->name);
  else
    put_.bind_null().bind_null().bind_null();
  bind_part(put_, stored_spec(resource));
  bind_part(put_, stored_status(resource));
  return put_.run();
}

Status Journal::erase(const ResourceKey& key) {
  // What could not be read is not in memory, so its deletion is not among the entries.
  if (has_unreadable_) MESH_RETURN_IF_ERROR(erase_owned_.bind(key.kind->name).bind(key.mesh).bind(key.name).run());
  return erase_.bind(key.kind->name).bind(key.mesh).bind(key.name).run();
}

}  // namespace mesh
