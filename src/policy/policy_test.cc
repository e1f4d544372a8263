#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/matching.h"
#include "policy/validation.h"

namespace mesh {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A kind of policy that exists for these tests only.
struct Conf {
  std::optional<int> a = {}, b = {};
};
BOOST_DESCRIBE_STRUCT(Conf, (), (a, b))
struct Outer {
  std::optional<Conf> inner = {};
  std::optional<std::vector<int>> list = {};
};
BOOST_DESCRIBE_STRUCT(Outer, (), (inner, list))
struct Item {
  TargetRef target_ref = {};
  Conf default_ = {};
};
struct Rule {
  std::optional<std::vector<Match>> matches = {};
  Conf default_ = {};
};
struct Spec {
  std::optional<TargetRef> target_ref = {};
  std::optional<std::vector<Item>> to = {}, from = {};
  std::optional<std::vector<Rule>> rules = {};
};
const Kind kTestKind{.name = "TestPolicy"};

Resource resource(const std::string& name, Labels labels = {}) {
  Resource made;
  made.key = {&kTestKind, "default", name};
  made.labels = std::move(labels);
  return made;
}

Dataplane web_with_two_inbounds() {
  Dataplane spec;
  spec.networking.address = "10.0.0.1";
  spec.networking.inbound.resize(2);
  spec.networking.inbound[0].port = 80;
  spec.networking.inbound[0].tags = {{kServiceTag, "web"}, {"version", "v1"}};
  spec.networking.inbound[1].port = 81;
  spec.networking.inbound[1].tags = {{kServiceTag, "web-admin"}};
  spec.networking.inbound[1].name = "admin";
  return spec;
}

std::vector<std::size_t> selected(const TargetRef& target, Labels policy = {}, Labels dataplane = {}) {
  return select_by(target, resource("p", std::move(policy)), resource("web-1", std::move(dataplane)),
                   web_with_two_inbounds())
      .inbounds;
}

TEST(Selecting, ByMeshTakesEveryInbound) { EXPECT_THAT(selected({}), ElementsAre(0, 1)); }

TEST(Selecting, ByTagsTakesTheInboundsThatHaveThemAll) {
  EXPECT_THAT(selected({.kind = TargetKind::MeshSubset, .tags = Tags{{"version", "v1"}}}), ElementsAre(0));
  EXPECT_THAT(selected({.kind = TargetKind::MeshSubset, .tags = Tags{{"version", "*"}}}), ElementsAre(0));
  EXPECT_THAT(selected({.kind = TargetKind::MeshService, .name = "web-admin"}), ElementsAre(1));
  EXPECT_THAT(selected({.kind = TargetKind::MeshServiceSubset, .name = "web", .tags = Tags{{"version", "v2"}}}),
              IsEmpty());
}

TEST(Selecting, ByDataplaneTakesNameOrLabelsAndASection) {
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane}), ElementsAre(0, 1));
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane, .name = "web-1"}), ElementsAre(0, 1));
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane, .name = "web-2"}), IsEmpty());
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane, .labels = Labels{{"app", "web"}}}, {}, {{"app", "web"}}),
              ElementsAre(0, 1));
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane, .labels = Labels{{"app", "web"}}}), IsEmpty());
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane, .section_name = "admin"}), ElementsAre(1));
  EXPECT_THAT(selected({.kind = TargetKind::Dataplane, .section_name = "80"}), ElementsAre(0));
}

TEST(Selecting, RespectsProxyTypes) {
  EXPECT_THAT(selected({.kind = TargetKind::Mesh, .proxy_types = std::vector{ProxyType::Gateway}}), IsEmpty());
  EXPECT_THAT(selected({.kind = TargetKind::Mesh, .proxy_types = std::vector{ProxyType::Sidecar}}), ElementsAre(0, 1));
}

TEST(Selecting, APolicyOfAZoneTakesOnlyProxiesOfThatZone) {
  const Labels here{{"kuma.io/origin", "zone"}, {"kuma.io/zone", "here"}},
      there{{"kuma.io/origin", "zone"}, {"kuma.io/zone", "there"}};
  const Labels global{{"kuma.io/origin", "global"}};

  EXPECT_THAT(selected({}, here, here), ElementsAre(0, 1));
  EXPECT_THAT(selected({}, there, here), IsEmpty());
  EXPECT_THAT(selected({}, global, here), ElementsAre(0, 1));
}

TEST(Selecting, ADelegatedGatewayIsSelectedByItsOwnTags) {
  Dataplane edge;
  edge.networking.gateway = Gateway{.tags = {{kServiceTag, "edge"}}};

  EXPECT_TRUE(
      select_by({.kind = TargetKind::MeshService, .name = "edge"}, resource("p"), resource("edge-1"), edge).gateway);
  EXPECT_FALSE(
      select_by({.kind = TargetKind::MeshService, .name = "web"}, resource("p"), resource("edge-1"), edge).gateway);
}

TEST(Precedence, GrowsWithWhatIsTargetedThenOriginThenRoleThenASmallerName) {
  const TargetRef mesh, dataplane{.kind = TargetKind::Dataplane}, subset{.kind = TargetKind::MeshSubset},
      service{.kind = TargetKind::MeshService}, one_inbound{.kind = TargetKind::Dataplane, .section_name = "80"};
  const Resource a = resource("a"), b = resource("b");

  EXPECT_LT(precedence_of(mesh, a), precedence_of(dataplane, b));
  EXPECT_LT(precedence_of(dataplane, a), precedence_of(one_inbound, b));
  EXPECT_LT(precedence_of(one_inbound, a), precedence_of(subset, b));
  EXPECT_LT(precedence_of(subset, a), precedence_of(service, b));
  EXPECT_LT(precedence_of(mesh, resource("a", {{"kuma.io/origin", "global"}})),
            precedence_of(mesh, resource("b", {{"kuma.io/origin", "zone"}})));
  EXPECT_LT(precedence_of(mesh, a), precedence_of(mesh, resource("b", {{"kuma.io/policy-role", "consumer"}})));
  EXPECT_LT(precedence_of(mesh, b), precedence_of(mesh, a));
  EXPECT_LT(precedence_of(mesh, b), precedence_of(mesh, resource("x-8f3a", {{"kuma.io/display-name", "a"}})));
}

TEST(Merging, ReplacesFieldByField) {
  Conf base{.a = 1, .b = 2};
  merge_over(base, {.b = 3});

  EXPECT_EQ(base.a, 1);
  EXPECT_EQ(base.b, 3);
}

TEST(Merging, GoesIntoStructsAndReplacesListsWhole) {
  Outer base{.inner = Conf{.a = 1}, .list = std::vector{1, 2}};
  merge_over(base, {.inner = Conf{.b = 2}, .list = std::vector{3}});

  EXPECT_EQ(base.inner->a, 1);
  EXPECT_EQ(base.inner->b, 2);
  EXPECT_THAT(*base.list, ElementsAre(3));
}

Matched<Spec> everywhere(const Spec& spec, Precedence precedence = {}) {
  return {nullptr, &spec, {.inbounds = {0}}, std::move(precedence)};
}

TEST(TowardsAService, TheLastPolicyThatSaysSomethingCounts) {
  const Spec wide{.to = std::vector{Item{{}, {.a = 1, .b = 1}}}};
  const Spec narrow{.to = std::vector{Item{{.kind = TargetKind::MeshService, .name = "kv"}, {.b = 2}}}};

  const auto kv = conf_to<Conf>(std::vector{everywhere(wide), everywhere(narrow)}, "kv");
  const auto other = conf_to<Conf>(std::vector{everywhere(wide), everywhere(narrow)}, "other");

  EXPECT_EQ(kv->a, 1);
  EXPECT_EQ(kv->b, 2);
  EXPECT_EQ(other->b, 1);
}

TEST(TowardsAService, NothingIsSaidWhenNoItemIsAboutIt) {
  const Spec narrow{.to = std::vector{Item{{.kind = TargetKind::MeshService, .name = "kv"}, {.b = 2}}}};

  EXPECT_FALSE(conf_to<Conf>(std::vector{everywhere(narrow)}, "other").has_value());
}

Spec to(TargetRef target, int value) { return {.to = std::vector{Item{std::move(target), {.a = value}}}}; }

TEST(TowardsABackend, IsMeantByNameByDisplayNameByLabelsAndByPort) {
  const envoy::Backend kv{.kind = "MeshService", .name = "kv", .section = "8080", .labels = {{"team", "a"}}};
  const envoy::Backend moved{
      .kind = "MeshService", .name = "kv-x7", .section = "8080", .labels = {{"kuma.io/display-name", "kv"}}};
  const std::string none;
  const auto hits = [&](TargetRef target, const envoy::Backend& backend) { return is_about(target, {none, backend}); };
  EXPECT_TRUE(hits({}, kv));
  EXPECT_TRUE(hits({.kind = TargetKind::MeshService, .name = "kv"}, kv));
  EXPECT_TRUE(hits({.kind = TargetKind::MeshService, .name = "kv"}, moved));
  EXPECT_TRUE(hits({.kind = TargetKind::MeshService, .labels = std::map<std::string, std::string>{{"team", "a"}}}, kv));
  EXPECT_FALSE(
      hits({.kind = TargetKind::MeshService, .labels = std::map<std::string, std::string>{{"team", "b"}}}, kv));
  EXPECT_FALSE(hits({.kind = TargetKind::MeshExternalService, .name = "kv"}, kv));
  EXPECT_TRUE(hits({.kind = TargetKind::MeshService, .name = "kv", .section_name = "8080"}, kv));
  EXPECT_FALSE(hits({.kind = TargetKind::MeshService, .name = "kv", .section_name = "9090"}, kv));
}

TEST(TowardsABackend, WhatIsSaidMorePreciselyCountsMoreAmongPoliciesThatDifferOnlyInTheirNames) {
  const envoy::Backend kv{.kind = "MeshService", .name = "kv", .section = "8080"};
  const Spec port = to({.kind = TargetKind::MeshService, .name = "kv", .section_name = "8080"}, 3);
  const Spec whole = to({.kind = TargetKind::MeshService, .name = "kv"}, 2);
  const Spec all = to({}, 1);
  const std::string none;
  const Precedence mesh{.kind = 1}, dataplane{.kind = 2};

  EXPECT_EQ(conf_to<Conf>(std::vector{everywhere(port, mesh), everywhere(whole, mesh), everywhere(all, mesh)},
                          Whither{none, kv})
                ->a,
            3);
  EXPECT_EQ(conf_to<Conf>(std::vector{everywhere(whole, mesh), everywhere(all, mesh)}, Whither{none, kv})->a, 2);
  EXPECT_EQ(conf_to<Conf>(std::vector{everywhere(port, mesh), everywhere(all, dataplane)}, Whither{none, kv})->a, 1);
}

TEST(WhatComesIn, FromCountsAsRulesForAllCallersUnlessThereAreRules) {
  const Match someone{.spiffe_id = SpiffeMatch{SpiffeMatchType::Exact, "spiffe://m/a"}, .sni = {}};
  const Spec old{.from = std::vector{Item{{}, {.a = 1}}}};
  const Spec newer{.from = std::vector{Item{{}, {.a = 9}}},
                   .rules = std::vector{Rule{{}, {.b = 2}}, Rule{std::vector{someone}, {.a = 3}}}};

  const auto rules = inbound_rules<Conf>(std::vector{everywhere(old), everywhere(newer)}, 0);
  const auto all = conf_for_all_callers(rules);

  EXPECT_EQ(rules.size(), 3U);
  EXPECT_EQ(all->a, 1);
  EXPECT_EQ(all->b, 2);
}

TEST(WhatComesIn, IsNotChangedByPoliciesOfOtherInbounds) {
  const Spec old{.from = std::vector{Item{{}, {.a = 1}}}};

  EXPECT_THAT(inbound_rules<Conf>(std::vector{everywhere(old)}, 1), IsEmpty());
}

std::vector<std::string> wrong_fields(const TargetRef& target, const TargetRefRules& rules) {
  std::vector<Violation> violations;
  validate_target_ref(target, "spec.targetRef", rules, violations);
  std::vector<std::string> fields;
  for (const auto& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(TargetRefs, NameEveryFieldThatIsWrong) {
  const TargetRefRules all{.kinds = {TargetKind::Mesh, TargetKind::MeshSubset, TargetKind::MeshService,
                                     TargetKind::Dataplane, TargetKind::MeshServiceSubset}};

  EXPECT_THAT(wrong_fields({}, all), IsEmpty());
  EXPECT_THAT(wrong_fields({.kind = TargetKind::MeshGateway, .name = "edge"}, all), ElementsAre("spec.targetRef.kind"));
  EXPECT_THAT(wrong_fields({.kind = TargetKind::Mesh, .name = "m", .tags = Tags{{"a", "b"}}}, all),
              ElementsAre("spec.targetRef.name", "spec.targetRef.tags"));
  EXPECT_THAT(wrong_fields({.kind = TargetKind::MeshService}, all), ElementsAre("spec.targetRef"));
  EXPECT_THAT(wrong_fields({.kind = TargetKind::MeshService, .name = "Web"}, all), ElementsAre("spec.targetRef.name"));
  EXPECT_THAT(wrong_fields({.kind = TargetKind::Dataplane, .section_name = "a"}, all),
              ElementsAre("spec.targetRef.sectionName"));
  EXPECT_THAT(wrong_fields({.kind = TargetKind::Mesh, .proxy_types = std::vector<ProxyType>{}}, all),
              ElementsAre("spec.targetRef.proxyTypes"));
}

bool is_valid_caller(const std::string& id, SpiffeMatchType type = SpiffeMatchType::Exact) {
  std::vector<Violation> violations;
  validate_match({.spiffe_id = SpiffeMatch{type, id}, .sni = {}}, "m", violations);
  return violations.empty();
}

TEST(Callers, AreNamedBySpiffeId) {
  EXPECT_TRUE(is_valid_caller("spiffe://default/backend"));
  EXPECT_TRUE(is_valid_caller("spiffe://default"));
  EXPECT_TRUE(is_valid_caller("spiffe://default/", SpiffeMatchType::Prefix));
  EXPECT_FALSE(is_valid_caller("spiffe://default/"));
  EXPECT_FALSE(is_valid_caller("https://default/backend"));
  EXPECT_FALSE(is_valid_caller("spiffe:///backend"));
  EXPECT_FALSE(is_valid_caller("spiffe://Default/backend"));
  EXPECT_FALSE(is_valid_caller("spiffe://default/../x"));
  EXPECT_FALSE(is_valid_caller("spiffe://default//x"));
}

}  // namespace
}  // namespace mesh
