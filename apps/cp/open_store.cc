#include "cp/open_store.h"

#include "base/files.h"
#include "cp/rds_login.h"
#include "settings/loader.h"
#include "store/memory/memory_store.h"
#include "store/postgres/postgres_leadership.h"
#include "store/sqlite/sqlite_store.h"

namespace mesh {
namespace {

Result<PostgresTls> tls_mode(const settings::PostgresTls& settings) {
  if (settings.mode == "disable") return PostgresTls::Disable;
  if (settings.mode == "verifyNone") return PostgresTls::VerifyNone;
  if (settings.ca_path.empty())
    return invalid("store.postgres.tls.caPath (KUMA_STORE_POSTGRES_TLS_CA_PATH)",
                   "must name the certificates to verify the server against when tls.mode is " + settings.mode);
  return settings.mode == "verifyCa" ? PostgresTls::VerifyCa : PostgresTls::VerifyFull;
}

// As it is in the file now: it may have been rotated since the last connection.
std::function<Result<Secret>()> password_in(std::string path) {
  return [path = std::move(path)]() -> Result<Secret> {
    constexpr std::size_t kLongest = 64 << 10;
    auto text = read_file(path, kLongest);
    if (!text)
      return with_context(std::move(text).error(), "store.postgres.passwordFile (KUMA_STORE_POSTGRES_PASSWORD_FILE)");
    while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
    return Secret(*std::move(text));
  };
}

OpenedStore with_sole_leader(std::unique_ptr<Store> store) {
  auto leader = std::make_unique<SoleLeader>(*store);
  return {std::move(store), std::move(leader), [] {}};
}

}  // namespace

Result<PostgresStore::Settings> postgres_settings(const settings::Postgres& settings) {
  PostgresStore::Settings out;
  out.server.host = settings.host;
  out.server.port = settings.port;
  out.server.user = settings.user;
  out.server.password = Secret(settings.password);
  out.server.database = settings.db_name;
  out.server.connect_timeout = std::chrono::seconds(settings.connection_timeout);
  if (!settings.password_file.empty()) out.server.fetch_password = password_in(settings.password_file);
  MESH_TRY(out.server.tls, tls_mode(settings.tls));
  if (settings.aws_iam_auth) {
    if (out.server.tls == PostgresTls::Disable)
      return invalid("store.postgres.awsIamAuth (KUMA_STORE_POSTGRES_AWS_IAM_AUTH)",
                     "needs TLS: set store.postgres.tls.mode to verifyFull");
    if (out.server.fetch_password)
      return invalid("store.postgres.passwordFile (KUMA_STORE_POSTGRES_PASSWORD_FILE)",
                     "an IAM role logs in without a password: leave it out, or awsIamAuth");
    aws::ChainNeeds needs{aws::Environment(process_environment()), {aws::fetch_over_network(), &real_clock(), {}}};
    MESH_TRY(needs.caller.addresses, aws::Addresses::from(needs.environment));
    MESH_TRY(out.server.fetch_password, rds_login(settings.host, settings.port, settings.user, std::move(needs)));
  }
  out.server.ca_file = settings.tls.ca_path;
  out.server.certificate_file = settings.tls.cert_path;
  out.server.key_file = settings.tls.key_path;
  out.server.send_server_name = !settings.tls.disable_sslsni;
  out.pool.keep_open = static_cast<std::size_t>(settings.min_open_connections);
  out.pool.at_most = static_cast<std::size_t>(settings.max_open_connections);
  out.pool.max_idle = settings.max_connection_idle_time;
  out.pool.max_age = settings.max_connection_lifetime;
  out.pool.max_age_jitter = settings.max_connection_lifetime_jitter;
  if (settings.connection_timeout > 0) out.pool.wait = out.server.connect_timeout;
  return out;
}

Result<OpenedStore> open_store(const settings::StoreSection& settings, const KindRegistry& kinds,
                               const std::string& instance_id, std::function<void()> changed) {
  if (settings.type == "memory") return with_sole_leader(std::make_unique<MemoryStore>());
  if (settings.type == "sqlite") {
    SqliteStore::Settings sqlite;
    sqlite.path = settings.sqlite.path;
    MESH_TRY(std::unique_ptr<SqliteStore> store, SqliteStore::open(std::move(sqlite), kinds));
    return with_sole_leader(std::move(store));
  }
  if (settings.type == "postgres") {
    MESH_TRY(PostgresStore::Settings postgres, postgres_settings(settings.postgres));
    MESH_TRY(std::unique_ptr<PostgresStore> store, PostgresStore::open(std::move(postgres), kinds));
    PostgresLeadership::Settings lease;
    lease.holder = instance_id;
    auto leadership = std::make_unique<PostgresLeadership>(std::move(lease), *store, std::move(changed));
    (void)leadership->try_once();
    auto watch = [&leadership = *leadership] { leadership.start(); };
    return OpenedStore{std::move(store), std::move(leadership), std::move(watch)};
  }
  return invalid("store.type (KUMA_STORE_TYPE)",
                 "is \"" + settings.type + "\"; may be \"sqlite\" (the default), \"postgres\" or \"memory\"");
}

}  // namespace mesh
