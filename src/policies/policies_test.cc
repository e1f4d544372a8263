#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policies/all.h"

namespace mesh {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Policies, AreKnownByNameAndPath) {
  KindRegistry registry;
  add_policy_kinds(registry);

  EXPECT_NE(registry.find_by_name("MeshTimeout"), nullptr);
  EXPECT_NE(registry.find_by_path("meshtrafficpermissions"), nullptr);
}

TEST(Policies, OfANewMeshCanBeLeftOut) {
  EXPECT_THAT(default_policies("m"), SizeIs(2));
  EXPECT_THAT(default_policies("m", {"MeshRetry"}), SizeIs(2));
  EXPECT_THAT(default_policies("m", {"MeshTimeout"}), IsEmpty());
  EXPECT_THAT(default_policies("m", {"*"}), IsEmpty());
}

}  // namespace
}  // namespace mesh
