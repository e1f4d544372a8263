#include "cp/migrate.h"

#include <fmt/format.h>

#include "cp/open_store.h"
#include "cp/say.h"
#include "model/builtin.h"
#include "policies/all.h"
#include "store/postgres/kuma_import.h"
#include "store/postgres/migrations.h"
#include "store/postgres/postgres_store.h"

namespace mesh {
namespace {

Result<PostgresServer> server_of(const settings::StoreSection& settings) {
  if (settings.type != "postgres")
    return invalid("store.type (KUMA_STORE_TYPE)",
                   "is \"" + settings.type +
                       "\"; only \"postgres\" has a schema to migrate, the others look after "
                       "themselves");
  MESH_TRY(PostgresStore::Settings postgres, postgres_settings(settings.postgres));
  return std::move(postgres.server);
}

std::string name_of(const PostgresServer& server) {
  return fmt::format("database \"{}\" at {}:{}", server.database, server.host, server.port);
}

}  // namespace

Status migrate_up(const settings::StoreSection& settings) {
  MESH_TRY(const PostgresServer server, server_of(settings));
  MESH_TRY(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::open(server));
  MESH_RETURN_IF_ERROR(migrate_up(*connection, [](const Migration& step) { say("applied " + step.name); }));
  MESH_TRY(const SchemaState schema, read_schema(*connection));
  MESH_RETURN_IF_ERROR(check_schema(schema, server));
  say(fmt::format("{} has schema {}", name_of(server), schema.version));
  return {};
}

Status migrate_status(const settings::StoreSection& settings) {
  MESH_TRY(const PostgresServer server, server_of(settings));
  MESH_TRY(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::open(server));
  MESH_TRY(const SchemaState schema, read_schema(*connection));
  say(fmt::format("{} has schema {}", name_of(server), schema.version));
  for (const Migration& step : known_migrations())
    say(fmt::format("  {} {}", step.version <= schema.version ? "applied" : "missing", step.name));
  return check_schema(schema, server);
}

Status migrate_from_kuma(const settings::StoreSection& settings, const std::string& database) {
  MESH_TRY(PostgresServer server, server_of(settings));
  MESH_TRY(PostgresStore::Settings postgres, postgres_settings(settings.postgres));
  KindRegistry kinds;
  add_builtin_kinds(kinds);
  add_policy_kinds(kinds);
  MESH_TRY(const std::unique_ptr<PostgresStore> store, PostgresStore::open(std::move(postgres), kinds));
  if (!database.empty()) server.database = database;
  MESH_TRY(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::open(server));
  auto imported = import_from_kuma(*connection, *store, kinds);
  if (!imported) return with_context(std::move(imported).error(), "importing from " + name_of(server));
  for (const auto& [kind, count] : imported->taken) say(fmt::format("  took {} {}", count, kind));
  for (const auto& [kind, count] : imported->left) say(fmt::format("  left {} {}", count, kind));
  say(fmt::format("{} was read; what was left is not known here, or control planes write it themselves",
                  name_of(server)));
  return {};
}

}  // namespace mesh
