#include "policies/meshtrafficpermission/reach.h"

#include <gtest/gtest.h>

#include "policies/meshtrafficpermission/mesh_traffic_permission.h"

namespace mesh {
namespace {

using enum PermissionAction;

const Tags kReachWeb{{kServiceTag, "web"}}, kReachApi{{kServiceTag, "api"}}, kReachKv{{kServiceTag, "kv"}};

class Reach : public testing::Test {
 protected:
  static TargetRef subset(Tags tags) {
    TargetRef out;
    out.kind = TargetKind::MeshSubset;
    out.tags = std::move(tags);
    return out;
  }
  static TargetRef whole() {
    TargetRef out;
    out.kind = TargetKind::Mesh;
    return out;
  }
  static PermissionFrom from(const Tags& callers, PermissionAction action) {
    return {callers.empty() ? whole() : subset(callers), {action}};
  }
  void permission(const std::string& name, std::optional<TargetRef> target, std::vector<PermissionFrom> from,
                  Labels labels = {}) {
    MeshTrafficPermission spec;
    spec.target_ref = std::move(target);
    spec.from = std::move(from);
    add(name, std::move(spec), std::move(labels));
  }
  void rule(const std::string& name, std::optional<TargetRef> target, PermissionRuleConf conf) {
    MeshTrafficPermission spec;
    spec.target_ref = std::move(target);
    spec.rules = {PermissionRule{std::move(conf)}};
    add(name, std::move(spec), {});
  }
  void add(const std::string& name, MeshTrafficPermission spec, Labels labels) {
    auto resource = std::make_shared<Resource>();
    resource->key = {&kMeshTrafficPermissionKind, "default", name};
    resource->labels = std::move(labels);
    resource->spec = AnySpec::of(std::move(spec));
    policies.push_back(std::move(resource));
    snapshot.policies[&kMeshTrafficPermissionKind] = std::make_shared<const std::vector<SharedResource>>(policies);
  }
  bool reaches(const Tags& caller, const Tags& called) const { return may_call(snapshot, {caller}, called); }
  static PermissionRuleConf allowing(const std::string& spiffe_id, SpiffeMatchType type = SpiffeMatchType::Exact) {
    PermissionRuleConf conf;
    conf.allow = {Match{SpiffeMatch{type, spiffe_id}, std::nullopt}};
    return conf;
  }

  Reach() { snapshot.name = "default"; }
  MeshSnapshot snapshot;
  std::vector<SharedResource> policies;
};

TEST_F(Reach, IsNobodysWithoutAPermission) { EXPECT_FALSE(reaches(kReachWeb, kReachKv)); }

TEST_F(Reach, IsThatOfThePermissionsForTheService) {
  permission("web-to-kv", subset(kReachKv), {from(kReachWeb, Allow)});
  EXPECT_TRUE(reaches(kReachWeb, kReachKv));
  EXPECT_FALSE(reaches(kReachApi, kReachKv));
  EXPECT_FALSE(reaches(kReachWeb, kReachApi));
}

TEST_F(Reach, IsThatOfAnyInboundOfTheCaller) {
  permission("web-to-kv", subset(kReachKv), {from(kReachWeb, Allow)});
  EXPECT_TRUE(may_call(snapshot, {kReachApi, kReachWeb}, kReachKv));
  EXPECT_FALSE(may_call(snapshot, {}, kReachKv));
}

TEST_F(Reach, FollowsTheLastWordOfTheMoreSpecificPermission) {
  permission("all", std::nullopt, {from({}, Allow)});
  permission("not-kv", subset(kReachKv), {from({}, Deny), from(kReachWeb, AllowWithShadowDeny)});
  EXPECT_TRUE(reaches(kReachApi, kReachApi));
  EXPECT_FALSE(reaches(kReachApi, kReachKv));
  EXPECT_TRUE(reaches(kReachWeb, kReachKv));
}

TEST_F(Reach, OverlooksTagsThatSingleProxiesHave) {
  permission("some", subset({{kServiceTag, "kv"}, {"version", "v1"}}), {from(kReachWeb, Allow)});
  EXPECT_TRUE(reaches(kReachWeb, kReachKv));
  EXPECT_FALSE(reaches(kReachWeb, kReachApi));
}

TEST_F(Reach, OfAMeshServiceIsKnownByItsZoneToo) {
  permission("east", subset({{"kuma.io/zone", "east"}}), {from({}, Allow)});
  EXPECT_TRUE(reaches(kReachWeb, {{kServiceTag, "kv"}, {"kuma.io/zone", "east"}}));
  EXPECT_FALSE(reaches(kReachWeb, {{kServiceTag, "kv"}, {"kuma.io/zone", "west"}}));
}

TEST_F(Reach, IsNotThatOfWhatIsOnlyTriedOut) {
  permission("shadow", std::nullopt, {from({}, Allow)}, {{"kuma.io/effect", "shadow"}});
  EXPECT_FALSE(reaches(kReachWeb, kReachKv));
}

TEST_F(Reach, IsTakenForGivenWhereTagsDoNotTellAndTheCallerIsNamed) {
  TargetRef some_proxies;
  some_proxies.kind = TargetKind::Dataplane;
  some_proxies.labels = Labels{{"team", "data"}};
  rule("by-certificate", some_proxies, allowing("spiffe://default/web"));
  EXPECT_TRUE(reaches(kReachWeb, kReachKv));
  EXPECT_FALSE(reaches(kReachApi, kReachKv));
  rule("by-prefix", subset(kReachApi), allowing("spiffe://default/", SpiffeMatchType::Prefix));
  EXPECT_TRUE(reaches(kReachApi, kReachApi));
  EXPECT_FALSE(reaches(kReachApi, kReachKv));
}

}  // namespace
}  // namespace mesh
