#include "store/postgres/kuma_import.h"

#include <gmock/gmock.h>

#include "model/builtin.h"
#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "store/postgres/test_database.h"

namespace mesh::contract {
namespace {

using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;

// As Kuma's own migrations leave it.
constexpr const char* kTable =
    "CREATE TABLE resources (name varchar(100) NOT NULL, mesh varchar(100) NOT NULL, type varchar(100) NOT NULL, "
    "version integer NOT NULL, spec text,"
    " creation_time timestamp NOT NULL DEFAULT now(), modification_time timestamp NOT NULL DEFAULT now(), owner_name "
    "varchar(100),"
    " owner_mesh varchar(100), owner_type varchar(100), labels jsonb, status jsonb, PRIMARY KEY (name, mesh, type));";

class KumaImportTest : public testing::Test {
 protected:
  KumaImportTest() {
    add_builtin_kinds(kinds);
    PostgresStore::Settings settings;
    settings.server = database;
    store = PostgresStore::open(std::move(settings), kinds).value();
  }
  void row(const std::string& type, const std::string& mesh, const std::string& name, const std::string& spec,
           const std::string& owner = "") {
    const std::string owned =
        owner.empty() ? "NULL, NULL, NULL" : fmt::format("'{}', '{}', '{}'", owner, mesh, "Dataplane");
    run_sql(database, fmt::format("INSERT INTO resources VALUES ('{}', '{}', '{}', 3, '{}', '2024-02-29 12:00:00.25', "
                                  "'2026-11-24 11:20:00', {},"
                                  " '{{\"team\": \"shop\"}}', NULL)",
                                  name, mesh, type, spec, owned));
  }
  Result<KumaImport> import() { return import_from_kuma(*connect(database), *store, kinds); }

  const PostgresServer database = new_database();
  KindRegistry kinds;
  std::unique_ptr<PostgresStore> store;
};

TEST_F(KumaImportTest, TakesOverWhatIsKnownAndCountsTheRest) {
  run_sql(database, kTable);
  row("Dataplane", "default", "web-1",
      R"({"networking":{"address":"10.0.0.1","inbound":[{"port":8080,"tags":{"kuma.io/service":"web"}}]}})");
  row("DataplaneInsight", "default", "web-1", R"({"subscriptions":[{"id":"1"}]})", "web-1");
  row("Mesh", "", "default", R"({"mtls":{"enabledBackend":"ca-1","backends":[{"name":"ca-1","type":"builtin"}]}})");
  row("Secret", "default", "dataplane-token-signing-key-default-1", R"({"data":"c2VjcmV0"})");
  row("Config", "", "kuma-cluster-id", R"({"config":"x"})");

  run_sql(database,
          "UPDATE resources SET labels = 'null', status = 'null' WHERE type = 'Secret'");  // as it writes them

  const auto imported = import();
  ASSERT_TRUE(imported) << imported.error().message();
  EXPECT_THAT(imported->taken, UnorderedElementsAre(Pair("Mesh", 1), Pair("Dataplane", 1), Pair("Secret", 1)));
  EXPECT_THAT(imported->left, UnorderedElementsAre(Pair("Config", 1), Pair("DataplaneInsight", 1)));

  const auto web = store->get({&kDataplaneKind, "default", "web-1"});
  ASSERT_TRUE(web) << web.error().message();
  EXPECT_EQ(web->spec_as<Dataplane>().networking.inbound.at(0).service(), "web");
  EXPECT_EQ(web->labels.at("team"), "shop");
  EXPECT_EQ(format_time(web->created), "2024-02-29T12:00:00.25Z");
  EXPECT_EQ(format_time(web->modified), "2026-11-24T11:20:00Z");
  EXPECT_NE(store->get({&kMeshKind, {}, "default"})->spec_as<Mesh>().enabled_ca(), nullptr);
  // What belongs to a mesh goes with it.
  Write away{.op = Write::Op::Delete, .resource = {}, .expect = {}, .owner = {}};
  away.resource.key = {&kMeshKind, {}, "default"};
  ASSERT_TRUE(store->write({away}));
  EXPECT_FALSE(store->get({&kSecretKind, "default", "dataplane-token-signing-key-default-1"}));
}

TEST_F(KumaImportTest, TakesAllOrNothingAndSaysAllThatCannotBeRead) {
  run_sql(database, kTable);
  row("Mesh", "", "default", "{}");
  row("Dataplane", "default", "web-1", R"({"networking":5})");
  row("Dataplane", "default", "web-2", "not json");
  const auto refused = import();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("web-1"));
  EXPECT_THAT(refused.error().message(), HasSubstr("web-2"));
  EXPECT_FALSE(store->get({&kMeshKind, {}, "default"}));
}

TEST_F(KumaImportTest, IsRefusedWhereThereIsNothingToTakeOrSomethingAlready) {
  EXPECT_THAT(import().error().message(), HasSubstr("no table public.resources"));
  run_sql(database, "CREATE TABLE resources (name text, type text)");
  EXPECT_THAT(import().error().message(), HasSubstr("upgrade that"));
  run_sql(database, "DROP TABLE resources");
  run_sql(database, kTable);
  row("Mesh", "", "default", "{}");
  ASSERT_TRUE(import());
  EXPECT_THAT(import().error().message(), HasSubstr("already"));
}

}  // namespace
}  // namespace mesh::contract
