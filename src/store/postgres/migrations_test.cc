#include "store/postgres/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "store/contract/writes.h"
#include "store/postgres/test_database.h"

namespace mesh::contract {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<Migration> steps() {
  return {{1, "0001_first", 1, "CREATE TABLE taskmesh.first (a int)"},
          {2, "0002_second", 1, "CREATE TABLE taskmesh.second (a int); INSERT INTO taskmesh.second VALUES (1)"}};
}

Status up(const PostgresServer& server, const std::vector<Migration>& all, std::vector<std::string>* done = nullptr) {
  return migrate_up(
      *connect(server),
      [&](const Migration& step) {
        if (done != nullptr) done->push_back(step.name);
      },
      all);
}

std::string why_not(int version, int min_compatible) {
  const Status status = check_schema({version, min_compatible}, server_for("mesh"), steps());
  return status.has_value() ? "" : status.error().message();
}

TEST(Migrations, AreNumberedWithoutGaps) {
  int expected = 1;
  for (const Migration& migration : known_migrations()) {
    EXPECT_EQ(migration.version, expected++);
    EXPECT_LE(migration.min_compatible, migration.version);
  }
}

TEST(Migrations, RunInOrderAndOnlyOnce) {
  const PostgresServer server = empty_database();
  std::vector<std::string> done;
  ASSERT_TRUE(up(server, {steps()[0]}, &done).has_value());
  ASSERT_TRUE(up(server, steps(), &done).has_value());
  ASSERT_TRUE(up(server, steps(), &done).has_value());
  EXPECT_THAT(done, ElementsAre("0001_first", "0002_second"));
  EXPECT_EQ(read_schema(*connect(server)).value().version, 2);
}

TEST(Migrations, MayBeStartedByManyAtOnce) {
  const PostgresServer server = empty_database();
  std::atomic<int> ran = 0;
  {
    std::vector<std::jthread> programs;
    for (int i = 0; i < 6; ++i)
      programs.emplace_back(
          [&] { EXPECT_TRUE(migrate_up(*connect(server), [&](const Migration&) { ++ran; }, steps()).has_value()); });
  }
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(ask_sql(server, "SELECT count(*) FROM taskmesh.second"), "1");
}

TEST(Migrations, LeaveNothingOfAStepThatFails) {
  const PostgresServer server = empty_database();
  std::vector<Migration> broken = steps();
  broken[1].sql += "; SELECT nonsense";
  const Status status = up(server, broken);
  ASSERT_FALSE(status.has_value());
  EXPECT_THAT(status.error().message(), testing::AllOf(HasSubstr("0002_second"), HasSubstr("nonsense")));
  EXPECT_EQ(read_schema(*connect(server)).value().version, 1);
  EXPECT_EQ(ask_sql(server, "SELECT to_regclass('taskmesh.second') IS NULL"), "t");
  EXPECT_TRUE(up(server, steps()).has_value());
}

TEST(Migrations, AreAskedForByABuildThatNeedsThem) {
  EXPECT_THAT(why_not(0, 0), HasSubstr("has no schema yet, this build needs 2; run \"taskmesh-cp migrate up\" first"));
  EXPECT_THAT(why_not(1, 1), HasSubstr("has schema 1, this build needs 2; run \"taskmesh-cp migrate up\" first"));
  EXPECT_EQ(why_not(2, 1), "");
}

TEST(Migrations, OfANewerBuildAreNoHindranceUntilTheyTakeSomethingAway) {
  EXPECT_EQ(why_not(3, 2), "") << "old and new side by side, while the new ones roll out";
  EXPECT_THAT(why_not(4, 3), HasSubstr("run a newer build"));
}

std::vector<Migration> known_and(std::string name, int min_compatible, std::string sql) {
  std::vector<Migration> all(known_migrations().begin(), known_migrations().end());
  const int version = static_cast<int>(all.size()) + 1;
  all.push_back({version, std::move(name), min_compatible, std::move(sql)});
  return all;
}

TEST(Migrations, LeaveAControlPlaneThatRunsAtItsWorkWhenTheyOnlyAdd) {
  const int known = static_cast<int>(known_migrations().size());
  const PostgresServer server = new_database();
  const auto old = open_at(server);
  old->write(only(put(mesh_key("prod")))).value();
  const Revision before = old->write(only(put(widget_key("prod", "before")))).value();

  const std::vector<Migration> newer =
      known_and("9001_expand", known,
                "ALTER TABLE taskmesh.resources ADD COLUMN novelty text NOT NULL DEFAULT 'new'; "
                "CREATE TABLE taskmesh.novelties (a int)");
  ASSERT_TRUE(up(server, newer).has_value());
  const Revision after = old->write(only(put(widget_key("prod", "after")))).value();
  EXPECT_EQ(old->wait_for_changes(before, {}).value().upto, after);
  EXPECT_EQ(old->list({.kind = &kWidget}).value().total, 2U);
  EXPECT_TRUE(old->write(only(erase(widget_key("prod", "before")))).has_value());

  const auto started_meanwhile = open_at(server);
  EXPECT_TRUE(started_meanwhile->get(widget_key("prod", "after")).has_value()) << "an old build starts, too";
  EXPECT_EQ(ask_sql(server, "SELECT novelty FROM taskmesh.resources WHERE name = 'after'"), "new");
}

TEST(Migrations, ThatTakeSomethingAwayAreRefusedByTheOldBuildInWords) {
  const PostgresServer server = new_database();
  const int newest = static_cast<int>(known_migrations().size()) + 1;
  ASSERT_TRUE(up(server, known_and("9001_contract", newest, "ALTER TABLE taskmesh.leases DROP COLUMN token")));
  PostgresStore::Settings settings;
  settings.server = server;
  const auto refused = PostgresStore::open(std::move(settings), kinds());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message(), HasSubstr("run a newer build"));
}

}  // namespace
}  // namespace mesh::contract
