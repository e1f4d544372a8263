// For the tests of this room: one server for the test program, and databases in it that are all alike.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/contract/test_kinds.h"
#include "store/postgres/migrations.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres_server/postgres_server.h"

namespace mesh::contract {

inline PostgresServerProcess& server_process() {
  static PostgresServerProcess process({"max_connections=60"});
  return process;
}

inline PostgresServer server_for(std::string database, const PostgresServerProcess& process = server_process()) {
  PostgresServer server;
  server.host = "127.0.0.1";
  server.port = process.port();
  server.user = PostgresServerProcess::kUser;
  server.password = Secret(PostgresServerProcess::kPassword);
  server.database = std::move(database);
  return server;
}

inline std::unique_ptr<PostgresConnection> connect(const PostgresServer& server) {
  Result<std::unique_ptr<PostgresConnection>> connection = PostgresConnection::open(server);
  if (!connection.has_value()) ADD_FAILURE() << connection.error().message();
  return std::move(connection).value();
}

inline void run_sql(const PostgresServer& server, const std::string& sql) {
  const auto done = connect(server)->run(sql);
  EXPECT_TRUE(done.has_value()) << done.error().message();
}

inline std::string ask_sql(const PostgresServer& server, const std::string& sql) {
  return std::string(connect(server)->run(sql).value().back().text(0, 0));
}

// A database without a schema, or with ours.
inline PostgresServer empty_database(const PostgresServerProcess& process = server_process()) {
  static int count = 0;
  const std::string name = fmt::format("empty{}", count++);
  run_sql(server_for("postgres", process), "CREATE DATABASE " + name);
  return server_for(name, process);
}
inline PostgresServer new_database() {
  static int count = 0;
  static const std::string kTemplate = [] {
    const PostgresServer server = empty_database();
    EXPECT_TRUE(migrate_up(*connect(server), [](const Migration&) {}).has_value());
    return server.database;
  }();
  const std::string name = fmt::format("test{}", count++);
  run_sql(server_for("postgres"), fmt::format("CREATE DATABASE {} TEMPLATE {}", name, kTemplate));
  // Each template has the id that its migration gave it.
  run_sql(server_for(name), "UPDATE taskmesh.store SET id = gen_random_uuid()");
  return server_for(name);
}

inline const KindRegistry& kinds() {
  static const KindRegistry registry = test_registry();
  return registry;
}

inline std::unique_ptr<PostgresStore> open_at(const PostgresServer& server, std::size_t remembered_deletions = 10'000) {
  PostgresStore::Settings settings;
  settings.server = server;
  settings.pool.at_most = 10;
  settings.remembered_deletions = remembered_deletions;
  Result<std::unique_ptr<PostgresStore>> store = PostgresStore::open(std::move(settings), kinds());
  if (!store.has_value()) ADD_FAILURE() << store.error().message();
  return std::move(store).value();
}

// A store in a database of its own, for the contract.
class StoreInDatabase final : public Store {
 public:
  explicit StoreInDatabase(std::size_t remembered_deletions = 10'000)
      : store_(open_at(new_database(), remembered_deletions)) {}
  Result<Revision> write(std::vector<Write> writes) override { return store_->write(std::move(writes)); }
  Result<Resource> get(const ResourceKey& key) const override { return store_->get(key); }
  Result<Page> list(const Query& query) const override { return store_->list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return store_->wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return store_->id(); }

 private:
  std::unique_ptr<PostgresStore> store_;
};

}  // namespace mesh::contract
