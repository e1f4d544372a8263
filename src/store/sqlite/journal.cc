#include "store/sqlite/journal.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "store/sqlite/migrations.h"

namespace mesh {
namespace {

namespace json = boost::json;

std::int64_t to_number(SystemTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}
SystemTime to_time(std::int64_t number) {
  return SystemTime(std::chrono::duration_cast<SystemTime::duration>(std::chrono::nanoseconds(number)));
}

std::string print_labels(const Labels& labels) {
  json::object object;
  for (const auto& [key, value] : labels) object[key] = value;
  return json::serialize(object);
}

using Parse = AnySpec (*)(const json::value&, std::vector<Violation>&);
using Print = json::value (*)(const AnySpec&);

void bind_part(Statement& statement, const AnySpec& part, Print print) {
  if (part.empty() || print == nullptr)
    statement.bind_null();
  else
    statement.bind(json::serialize(print(part)));
}

Result<json::value> parse_json(const std::string& text) {
  json::error_code failed;
  json::parse_options options;
  options.max_depth = 128;
  options.allow_invalid_utf8 = true;  // written by us: better shown as it is than lost
  json::value value = json::parse(text, failed, {}, options);
  if (failed) return error(ErrorKind::Invalid, "not JSON: " + failed.message());
  return value;
}

Result<AnySpec> read_part(const Statement& row, int column, Parse parse) {
  if (row.is_null(column) || parse == nullptr) return AnySpec();
  MESH_TRY(const json::value value, parse_json(row.text(column)));
  std::vector<Violation> violations;
  AnySpec part = parse(value, violations);
  if (!violations.empty()) return Error{ErrorKind::Invalid, "", "cannot be read", std::move(violations)};
  return part;
}

Result<Labels> read_labels(const std::string& text) {
  MESH_TRY(const json::value value, parse_json(text));
  Labels labels;
  if (!value.is_object()) return error(ErrorKind::Invalid, "labels are not an object");
  for (const auto& [key, label] : value.get_object()) {
    if (!label.is_string()) return error(ErrorKind::Invalid, "a label is not a text");
    labels.emplace(key, std::string(label.get_string()));
  }
  return labels;
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
  resource.created = to_time(row.number(4));
  resource.modified = to_time(row.number(5));
  MESH_TRY(resource.labels, read_labels(row.text(6)));
  if (!row.is_null(7)) {
    MESH_TRY(stored->owner, read_key(row, 7, registry));
  }
  MESH_TRY(resource.spec, read_part(row, 10, resource.key.kind->parse));
  MESH_TRY(resource.status, read_part(row, 11, resource.key.kind->parse_status));
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
  const Kind& kind = *resource.key.kind;
  put_.bind(kind.name).bind(resource.key.mesh).bind(resource.key.name);
  put_.bind(static_cast<std::int64_t>(resource.revision))
      .bind(to_number(resource.created))
      .bind(to_number(resource.modified));
  put_.bind(print_labels(resource.labels));
  if (row.owner)
    put_.bind(row.owner->kind->name).bind(row.owner->mesh).bind(row.owner->name);
  else
    put_.bind_null().bind_null().bind_null();
  bind_part(put_, resource.spec, kind.print);
  bind_part(put_, resource.status, kind.print_status);
  return put_.run();
}

Status Journal::erase(const ResourceKey& key) {
  // What could not be read is not in memory, so its deletion is not among the entries.
  if (has_unreadable_) MESH_RETURN_IF_ERROR(erase_owned_.bind(key.kind->name).bind(key.mesh).bind(key.name).run());
  return erase_.bind(key.kind->name).bind(key.mesh).bind(key.name).run();
}

}  // namespace mesh
