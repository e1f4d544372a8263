#include "store/postgres/migrations.h"

#include <fmt/format.h>

namespace mesh {
namespace {

// Any number will do, as long as no other program of the database takes the same.
constexpr std::int64_t kLock = 0x544d534831;

Status run_step(PostgresConnection& connection, const Migration& step) {
  Result<std::vector<PostgresRows>> run =
      connection.run(fmt::format("BEGIN; {} ;INSERT INTO taskmesh.schema_migrations (version, name, min_compatible) "
                                 "VALUES ({}, '{}', {}); COMMIT",
                                 step.sql, step.version, step.name, step.min_compatible));
  if (run.has_value()) return {};
  (void)connection.run("ROLLBACK");
  return with_context(std::move(run).error(), "migration " + step.name);
}

Status run_missing(PostgresConnection& connection, const std::function<void(const Migration&)>& done,
                   std::span<const Migration> steps) {
  MESH_RETURN_IF_ERROR(
      connection.run("CREATE SCHEMA IF NOT EXISTS taskmesh; CREATE TABLE IF NOT EXISTS taskmesh.schema_migrations ("
                     "version int PRIMARY KEY, name text NOT NULL, min_compatible int NOT NULL, "
                     "applied timestamptz NOT NULL DEFAULT now())"));
  MESH_TRY(const SchemaState schema, read_schema(connection));
  for (const Migration& step : steps) {
    if (step.version <= schema.version) continue;
    MESH_RETURN_IF_ERROR(run_step(connection, step));
    done(step);
  }
  return {};
}

}  // namespace

std::span<const Migration> known_migrations() {
  static const std::vector<Migration> migrations = {
#include <db/migrations.inc>
  };
  return migrations;
}

Result<SchemaState> read_schema(PostgresConnection& connection) {
  MESH_TRY(const std::vector<PostgresRows> there,
           connection.run("SELECT to_regclass('taskmesh.schema_migrations') IS NOT NULL"));
  if (there.front().text(0, 0) != "t") return SchemaState{};
  MESH_TRY(const std::vector<PostgresRows> rows,
           connection.run("SELECT version, min_compatible FROM taskmesh.schema_migrations "
                          "ORDER BY version DESC LIMIT 1"));
  if (rows.front().count() == 0) return SchemaState{};
  return SchemaState{static_cast<int>(rows.front().number(0, 0)), static_cast<int>(rows.front().number(0, 1))};
}

Status migrate_up(PostgresConnection& connection, const std::function<void(const Migration&)>& done,
                  std::span<const Migration> steps) {
  // A step may take long, and so may waiting for somebody else's.
  MESH_RETURN_IF_ERROR(connection.run("SET statement_timeout = 0; SET lock_timeout = 0"));
  MESH_RETURN_IF_ERROR(connection.run(fmt::format("SELECT pg_advisory_lock({})", kLock)));
  Status status = run_missing(connection, done, steps);
  const Result<std::vector<PostgresRows>> unlocked =
      connection.run(fmt::format("SELECT pg_advisory_unlock({})", kLock));
  if (status.has_value() && !unlocked.has_value()) return Error(unlocked.error());
  return status;
}

Status check_schema(const SchemaState& schema, const PostgresServer& server, std::span<const Migration> steps) {
  const int newest = steps.empty() ? 0 : steps.back().version;
  const std::string database = fmt::format("database \"{}\" at {}:{}", server.database, server.host, server.port);
  if (schema.version == 0)
    return error(ErrorKind::Unavailable,
                 fmt::format("{} has no schema yet, this build needs {}; run \"taskmesh-cp migrate up\" first",
                             database, newest));
  if (schema.version < newest)
    return error(ErrorKind::Unavailable,
                 fmt::format("{} has schema {}, this build needs {}; run \"taskmesh-cp migrate up\" first", database,
                             schema.version, newest));
  if (schema.min_compatible > newest)
    return error(ErrorKind::Unavailable,
                 fmt::format("{} has schema {}, which needs a build that knows schema {} or newer; this one knows {}: "
                             "run a newer build",
                             database, schema.version, schema.min_compatible, newest));
  return {};
}

}  // namespace mesh
