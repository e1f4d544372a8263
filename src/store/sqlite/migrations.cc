#include "store/sqlite/migrations.h"

#include <fmt/format.h>

#include <array>

#include "base/random.h"

namespace mesh {
namespace {

// Written into the file's header, so that no other program's database is taken for ours.
constexpr std::int64_t kApplicationId = 0x544d5348;  // "TMSH"

constexpr std::array kSteps = {
    // 1: times are nanoseconds since 1970; labels, spec and status are JSON.
    R"sql(
      CREATE TABLE store (
        id       TEXT    NOT NULL,
        revision INTEGER NOT NULL
      ) STRICT;
      CREATE TABLE resources (
        kind       TEXT    NOT NULL,
        mesh       TEXT    NOT NULL,
        name       TEXT    NOT NULL,
        revision   INTEGER NOT NULL,
        created    INTEGER NOT NULL,
        modified   INTEGER NOT NULL,
        labels     TEXT    NOT NULL,
        owner_kind TEXT,
        owner_mesh TEXT,
        owner_name TEXT,
        spec       TEXT,
        status     TEXT,
        PRIMARY KEY (kind, mesh, name)
      ) STRICT;
    )sql",
};

Result<std::int64_t> ask_number(const Database& database, const std::string& sql) {
  MESH_TRY(const std::string text, database.ask(sql));
  return text.empty() ? 0 : std::stoll(text);
}

Status check_origin(const Database& database, std::int64_t version) {
  MESH_TRY(const std::int64_t application, ask_number(database, "PRAGMA application_id"));
  MESH_TRY(const std::int64_t tables, ask_number(database, "SELECT count(*) FROM sqlite_schema"));
  if (tables > 0 && application != kApplicationId)
    return error(ErrorKind::Unavailable,
                 fmt::format("the store {}: it is the database of another program; choose another path",
                             database.path().string()));
  if (version > static_cast<std::int64_t>(kSteps.size()))
    return error(
        ErrorKind::Unavailable,
        fmt::format(
            "the store {}: it has schema {}, this build knows {}; run the version that wrote it, or a newer one",
            database.path().string(), version, kSteps.size()));
  return {};
}

Status run_steps(const Database& database) {
  MESH_TRY(const std::int64_t version, ask_number(database, "PRAGMA user_version"));
  MESH_RETURN_IF_ERROR(check_origin(database, version));
  for (auto step = static_cast<std::size_t>(version); step < kSteps.size(); ++step)
    MESH_RETURN_IF_ERROR(database.execute(kSteps[step]));
  MESH_TRY(const std::int64_t ids, ask_number(database, "SELECT count(*) FROM store"));
  if (ids == 0)
    MESH_RETURN_IF_ERROR(
        database.execute(fmt::format("INSERT INTO store (id, revision) VALUES ('{}', 0)", make_uuid())));
  return database.execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSteps.size()));
}

}  // namespace

Status migrate(const Database& database) {
  MESH_RETURN_IF_ERROR(database.execute("BEGIN IMMEDIATE"));
  Status migrated = run_steps(database);
  if (migrated.has_value()) migrated = database.execute("COMMIT");
  if (!migrated.has_value() && database.in_transaction()) (void)database.execute("ROLLBACK");
  return migrated;
}

}  // namespace mesh
