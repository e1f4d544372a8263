#include "base/shared_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(SharedMap, ReadsLikeAMap) {
  const SharedMap<std::string, int> map = {{"b", 2}, {"a", 1}, {"c", 3}};
  EXPECT_THAT(map, ElementsAre(Pair("a", 1), Pair("b", 2), Pair("c", 3)));
  EXPECT_EQ(map.size(), 3U);
  EXPECT_EQ(map.at("b"), 2);
  EXPECT_EQ(*map.get("c"), 3);
  EXPECT_EQ(map.get("d"), nullptr);
  EXPECT_TRUE(map.contains("a"));
  EXPECT_EQ(map.find("x"), map.end());
  auto place = map.find("b");
  ASSERT_NE(place, map.end());
  EXPECT_EQ((++place)->first, "c");
  EXPECT_EQ(++place, map.end());
}

TEST(SharedMap, AnEmptyOneHasNothing) {
  SharedMap<int, int> map;
  EXPECT_TRUE(map.empty());
  EXPECT_EQ(map.begin(), map.end());
  EXPECT_EQ(map.erase(1), 0U);
  map.insert_or_assign(1, 2);
  EXPECT_EQ(map.erase(1), 1U);
  EXPECT_TRUE(map.empty());
}

TEST(SharedMap, ACopyDoesNotSeeWhatIsWrittenToTheOther) {
  SharedMap<int, std::string> map = {{1, "one"}, {2, "two"}};
  const SharedMap<int, std::string> before = map;
  EXPECT_TRUE(map.shares_with(before));
  EXPECT_FALSE(map.insert_or_assign(1, "uno"));
  EXPECT_TRUE(map.insert_or_assign(3, "tre"));
  map.erase(2);
  EXPECT_FALSE(map.shares_with(before));
  EXPECT_THAT(before, ElementsAre(Pair(1, "one"), Pair(2, "two")));
  EXPECT_THAT(map, ElementsAre(Pair(1, "uno"), Pair(3, "tre")));
}

TEST(SharedSet, ReadsLikeASetAndKeepsWhatItHas) {
  SharedSet<std::string> set = {"b", "a"};
  const SharedSet<std::string> before = set;
  EXPECT_FALSE(set.insert("a"));
  EXPECT_TRUE(set.shares_with(before));
  EXPECT_TRUE(set.insert("c"));
  EXPECT_THAT(set, ElementsAre("a", "b", "c"));
  EXPECT_EQ(set.erase("x"), 0U);
  EXPECT_EQ(set.erase("b"), 1U);
  EXPECT_THAT(set, ElementsAre("a", "c"));
}

// Against std::map: random writes, and now and then a version that is kept and must stay as it was.
TEST(SharedMap, IsWhatAMapIsAfterAnyWrites) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    SharedMap<int, unsigned> map;
    std::map<int, unsigned> model;
    std::vector<std::pair<SharedMap<int, unsigned>, std::map<int, unsigned>>> kept;
    const int keys = 1 + static_cast<int>(random() % 300);
    for (int step = 0; step < 1'000; ++step) {
      const int key = static_cast<int>(random()) % keys;
      if (random() % 3 == 0) {
        ASSERT_EQ(map.erase(key), model.erase(key));
      } else {
        const auto value = static_cast<unsigned>(random());
        ASSERT_EQ(map.insert_or_assign(key, value), model.insert_or_assign(key, value).second);
      }
      ASSERT_EQ(map.size(), model.size());
      const int asked = static_cast<int>(random()) % keys;
      ASSERT_EQ(map.contains(asked), model.contains(asked));
      if (const auto found = map.find(asked); found != map.end()) {  // and from there to the end
        ASSERT_TRUE(std::equal(found, map.end(), model.find(asked), model.end()));
      }
      if (step % 100 == 0) kept.emplace_back(map, model);
    }
    kept.emplace_back(map, model);
    for (const auto& [version, expected] : kept)
      ASSERT_TRUE(std::equal(version.begin(), version.end(), expected.begin(), expected.end())) << "seed " << seed;
  }
}

TEST(SharedMap, AWriteCopiesAPathAndNoMore) {
  for (const bool in_order : {true, false}) {
    std::vector<int> keys(10'000);
    for (int i = 0; i < 10'000; ++i) keys[static_cast<std::size_t>(i)] = i;
    if (!in_order) std::shuffle(keys.begin(), keys.end(), std::mt19937(1));
    SharedMap<int, int> map;
    for (const int key : keys) map.insert_or_assign(key, key);
    const auto highest = static_cast<std::size_t>(1.45 * std::log2(10'000)) + 1;  // of an AVL tree
    for (int key = 0; key < 10'000; key += 97) {
      SharedMap<int, int> changed = map, shorter = map, longer = map;
      changed.insert_or_assign(key, -1);
      EXPECT_LE(changed.nodes_not_in(map), highest);
      shorter.erase(key);
      EXPECT_LE(shorter.nodes_not_in(map), 3 * highest);
      longer.insert_or_assign(10'000 + key, 1);
      EXPECT_LE(longer.nodes_not_in(map), highest + 2);
    }
  }
}

}  // namespace
}  // namespace mesh
