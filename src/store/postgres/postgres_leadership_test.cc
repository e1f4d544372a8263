#include "store/postgres/postgres_leadership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/contract/writes.h"
#include "store/postgres/test_database.h"

namespace mesh::contract {
namespace {

using namespace std::chrono_literals;

struct Instance {
  explicit Instance(const PostgresServer& server, std::string name, std::chrono::milliseconds holds = 60s)
      : store(open_at(server)),
        leadership(std::make_unique<PostgresLeadership>(
            PostgresLeadership::Settings{.holder = std::move(name), .renew = 20ms, .holds = holds}, *store, [this] {
              std::lock_guard lock(mutex);
              changed.notify_all();
            })) {}
  void wait_until_it_leads() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return leadership->is_leader(); });
  }

  std::unique_ptr<PostgresStore> store;
  std::mutex mutex;
  std::condition_variable changed;
  std::unique_ptr<PostgresLeadership> leadership;
};

TEST(PostgresLeadership, IsOfOneAtATime) {
  const PostgresServer server = new_database();
  Instance one(server, "one"), other(server, "other");
  EXPECT_TRUE(one.leadership->try_once());
  EXPECT_FALSE(other.leadership->try_once());
  EXPECT_TRUE(one.leadership->try_once()) << "it goes on";
  EXPECT_FALSE(other.leadership->is_leader());
}

TEST(PostgresLeadership, IsGivenBackByOneThatStops) {
  const PostgresServer server = new_database();
  Instance other(server, "other");
  {
    Instance one(server, "one");
    EXPECT_TRUE(one.leadership->try_once());
  }
  EXPECT_TRUE(other.leadership->try_once());
}

TEST(PostgresLeadership, OneThatStepsDownNeverLeadsAgainAndIsAlive) {
  const PostgresServer server = new_database();
  Instance one(server, "one"), other(server, "other");
  EXPECT_TRUE(one.leadership->try_once());
  one.leadership->step_down();
  EXPECT_FALSE(one.leadership->is_leader());
  EXPECT_FALSE(one.leadership->try_once()) << "though nobody leads";
  EXPECT_TRUE(other.leadership->try_once());
  EXPECT_THAT(other.leadership->others(), testing::ElementsAre("one"));
  one.leadership->stop();
  (void)other.leadership->try_once();
  EXPECT_THAT(other.leadership->others(), testing::IsEmpty());
}

TEST(PostgresLeadership, MovesWhenItsHolderSaysNothingAnyMore) {
  const PostgresServer server = new_database();
  Instance one(server, "one", 100ms), other(server, "other");
  EXPECT_TRUE(one.leadership->try_once());
  other.leadership->start();
  other.wait_until_it_leads();
  EXPECT_FALSE(one.leadership->is_leader()) << "it knows by its own clock";
  EXPECT_FALSE(one.leadership->try_once());
}

TEST(PostgresLeadership, KnowsWhichOthersAreAlive) {
  const PostgresServer server = new_database();
  Instance one(server, "one"), other(server, "other");
  (void)one.leadership->try_once();
  EXPECT_THAT(one.leadership->others(), testing::IsEmpty());
  {
    Instance third(server, "third");
    (void)other.leadership->try_once();
    (void)third.leadership->try_once();
    (void)one.leadership->try_once();
    EXPECT_THAT(one.leadership->others(), testing::ElementsAre("other", "third"));
  }
  (void)one.leadership->try_once();
  EXPECT_THAT(one.leadership->others(), testing::ElementsAre("other"));
}

TEST(PostgresLeadership, WritesNothingOnceItWasOvertakenUnnoticed) {
  const PostgresServer server = new_database();
  Instance one(server, "one"), other(server, "other");
  EXPECT_TRUE(one.leadership->try_once());
  EXPECT_TRUE(one.leadership->store().write(only(put(mesh_key("prod")))).has_value());

  run_sql(server, "UPDATE taskmesh.leases SET expires = now() - interval '1 second'");  // a long silence
  EXPECT_TRUE(other.leadership->try_once());
  ASSERT_TRUE(one.leadership->is_leader()) << "as it believes";
  const Result<Revision> written = one.leadership->store().write(only(put(widget_key("prod", "a"))));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().kind, ErrorKind::Conflict);
  EXPECT_TRUE(one.store->write(only(put(widget_key("prod", "b")))).has_value()) << "what is no leader's job goes on";
  EXPECT_TRUE(other.leadership->store().write(only(put(widget_key("prod", "a")))).has_value());
}

}  // namespace
}  // namespace mesh::contract
