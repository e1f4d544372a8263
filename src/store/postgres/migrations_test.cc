#include "store/postgres/migrations.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

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

}  // namespace
}  // namespace mesh::contract
