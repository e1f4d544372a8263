#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/dataplane.h"
#include "policies/all.h"
#include "policies/meshtimeout/mesh_timeout.h"
#include "policies/meshtrafficpermission/mesh_traffic_permission.h"

namespace mesh {
namespace {

using ::testing::ElementsAre;
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

Resource timeout(const std::string& name, std::optional<TargetRef> target) {
  Resource policy;
  policy.key = {&kMeshTimeoutKind, "m", name};
  MeshTimeout spec;
  spec.target_ref = std::move(target);
  policy.spec = AnySpec::of(spec);
  return policy;
}

TEST(Policies, OfADataplaneAreThoseThatSelectItWithTheMorePreciseLater) {
  Resource dataplane;
  dataplane.key = {&kDataplaneKind, "m", "web-1"};
  Dataplane spec;
  spec.networking.inbound.resize(1);
  spec.networking.inbound[0].tags = {{kServiceTag, "web"}};
  dataplane.spec = AnySpec::of(spec);
  Resource permission;
  permission.key = {&kMeshTrafficPermissionKind, "m", "p"};
  permission.spec = AnySpec::of(MeshTrafficPermission());
  Resource tried_out = timeout("shadow", std::nullopt);
  tried_out.labels["kuma.io/effect"] = "shadow";

  const std::vector<Resource> policies = {
      timeout("service", TargetRef{.kind = TargetKind::MeshService, .name = "web"}),
      permission,
      timeout("other", TargetRef{.kind = TargetKind::MeshService, .name = "kv"}),
      tried_out,
      timeout("b", std::nullopt),
      timeout("a", std::nullopt),
      timeout("named", TargetRef{.kind = TargetKind::Dataplane, .name = "web-1"}),
  };
  std::vector<std::string> names;
  for (const Resource* policy : policies_for(policies, dataplane)) names.push_back(policy->key.name);
  EXPECT_THAT(names, ElementsAre("b", "a", "named", "service", "p"));
}

}  // namespace
}  // namespace mesh
