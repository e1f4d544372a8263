#include "controllers/dataplane_cleanup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "store/memory/memory_store.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::SizeIs;

// Counts what is asked for; `missing` is not there, and while `is_away` nothing is removed.
class DataplaneCleanupTest : public testing::Test {
 protected:
  static ProxyId proxy(int number) { return {"default", "web-" + std::to_string(number)}; }
  void lose(int first, int count) {
    cleanup.tell([=](OfflineProxies& proxies, SteadyTime now) {
      for (int i = first; i < first + count; ++i) {
        proxies.on_connected(proxy(i), true);
        proxies.on_disconnected(proxy(i), now);
      }
    });
    cleanup.step();
    clock.advance(11s);
    cleanup.step();
  }
  Status remove(const std::vector<ResourceKey>& keys) {
    if (is_away) return error(ErrorKind::Unavailable, "the store is away");
    transactions.push_back(keys.size());
    if (std::ranges::any_of(keys, [&](const ResourceKey& key) { return key.name == missing; }))
      return error(ErrorKind::NotFound, missing + " is not there");
    removed += keys.size();
    return {};
  }

  ManualClock clock{SystemTime(std::chrono::seconds(1'800'000'000))};
  MemoryStore store;
  bool is_away = false, leads = true;
  std::string missing;
  std::vector<std::size_t> transactions;
  std::size_t removed = 0;
  DataplaneCleanup cleanup{{},
                           store,
                           [this](const std::vector<ResourceKey>& keys) { return remove(keys); },
                           clock,
                           [this] { return leads; }};
};

TEST_F(DataplaneCleanupTest, RemovesThoseThatAreDueTogether) {
  lose(0, 250);
  EXPECT_THAT(transactions, ElementsAre(100, 100, 50));
  EXPECT_EQ(removed, 250U);
}

TEST_F(DataplaneCleanupTest, RemovesTheOthersOneByOneWhenOneIsGoneAlready) {
  missing = "web-1";
  lose(0, 3);
  EXPECT_THAT(transactions, ElementsAre(3, 1, 1, 1));
  EXPECT_EQ(removed, 2U);
}

TEST_F(DataplaneCleanupTest, TriesAgainWhatTheStoreDidNotTake) {
  is_away = true;
  lose(0, 3);
  EXPECT_THAT(transactions, SizeIs(0));
  is_away = false;
  clock.advance(11s);
  cleanup.step();
  EXPECT_EQ(removed, 3U);
}

TEST_F(DataplaneCleanupTest, LeavesItToTheLeaderAndRemembersItForWhenItLeads) {
  leads = false;
  lose(0, 3);
  EXPECT_EQ(removed, 0U);
  leads = true;
  clock.advance(11s);
  cleanup.step();
  EXPECT_EQ(removed, 3U);
}

}  // namespace
}  // namespace mesh
