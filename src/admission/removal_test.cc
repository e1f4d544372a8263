#include "admission/removal.h"

#include <gtest/gtest.h>

#include "model/dataplane.h"
#include "model/mesh.h"
#include "store/memory/memory_store.h"

namespace mesh {
namespace {

const ResourceKey kProd{&kMeshKind, {}, "prod"}, kOne{&kDataplaneKind, "prod", "web-1"},
    kTwo{&kDataplaneKind, "prod", "web-2"}, kGone{&kDataplaneKind, "prod", "web-3"};

class RemovalTest : public testing::Test {
 protected:
  RemovalTest() {
    std::vector<Write> writes(3);
    writes[0].resource.key = kProd;
    writes[0].resource.spec = AnySpec::of(Mesh{});
    for (int i = 1; i < 3; ++i) {
      writes[static_cast<std::size_t>(i)].resource.key = i == 1 ? kOne : kTwo;
      writes[static_cast<std::size_t>(i)].resource.spec = AnySpec::of(Dataplane{});
    }
    EXPECT_TRUE(store.write(std::move(writes)));
  }
  bool is_there(const ResourceKey& key) const { return store.get(key).has_value(); }

  MemoryStore store;
};

TEST_F(RemovalTest, TakesManyProxiesAwayInOneTransaction) {
  const Revision before = store.wait_for_changes(0, {}).value().upto;
  ASSERT_TRUE(remove_proxies(store, {kOne, kTwo}));
  EXPECT_FALSE(is_there(kOne) || is_there(kTwo));
  EXPECT_EQ(store.wait_for_changes(before, {}).value().changes.size(), 2U);
}

TEST_F(RemovalTest, TakesNoneWhenOneIsNotThere) {
  EXPECT_EQ(remove_proxies(store, {kOne, kGone, kTwo}).error().kind, ErrorKind::NotFound);
  EXPECT_TRUE(is_there(kOne) && is_there(kTwo));
}

TEST_F(RemovalTest, IsForProxiesOnly) {
  EXPECT_FALSE(remove_proxies(store, {kOne, kProd}));
  EXPECT_TRUE(is_there(kProd) && is_there(kOne));
}

}  // namespace
}  // namespace mesh
