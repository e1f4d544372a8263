#include "policies/meshtrafficpermission/mesh_traffic_permission.h"

#include <boost/json.hpp>
#include <envoy/config/rbac/v3/rbac.pb.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xds/type/matcher/v3/matcher.pb.h>

#include "policies/meshtrafficpermission/rbac.h"

namespace mesh {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using enum PermissionAction;

const Tags kEverybody, kWeb{{kServiceTag, "web"}}, kApi{{kServiceTag, "api"}}, kV1{{"version", "v1"}};
const Tags kWebV1{{kServiceTag, "web"}, {"version", "v1"}};

std::vector<CallerSet> allowed(const std::vector<CallerAction>& actions) {
  return callers_with(actions, {Allow, AllowWithShadowDeny});
}

TEST(From, LetsNobodyInWhenNothingIsSaid) { EXPECT_THAT(allowed({}), IsEmpty()); }

TEST(From, LetsInWhoIsAllowed) {
  EXPECT_THAT(allowed({{kEverybody, Allow}}), ElementsAre(CallerSet{kEverybody, {}}));
  EXPECT_THAT(allowed({{kWeb, Allow}, {kApi, Allow}}), ElementsAre(CallerSet{kWeb, {}}, CallerSet{kApi, {}}));
}

TEST(From, LeavesOutWhoIsDeniedLater) {
  EXPECT_THAT(allowed({{kEverybody, Allow}, {kWeb, Deny}}), ElementsAre(CallerSet{kEverybody, {kWeb}}));
  EXPECT_THAT(allowed({{kWeb, Allow}, {kV1, Deny}}), ElementsAre(CallerSet{kWeb, {kV1}}));
}

TEST(From, HeedsADenialOnlyOfTheSameCallers) {
  EXPECT_THAT(allowed({{kWeb, Allow}, {kApi, Deny}}), ElementsAre(CallerSet{kWeb, {}}));
}

TEST(From, LetsInWhoIsAllowedAgainAfterADenial) {
  EXPECT_THAT(allowed({{kEverybody, Allow}, {kV1, Deny}, {kWebV1, Allow}}),
              ElementsAre(CallerSet{kEverybody, {kV1}}, CallerSet{kWebV1, {}}));
}

TEST(From, TheLastWordOnTheSameCallersCounts) {
  EXPECT_THAT(allowed({{kWeb, Allow}, {kWeb, Deny}}), IsEmpty());
  EXPECT_THAT(allowed({{kWeb, Deny}, {kWeb, Allow}}), ElementsAre(CallerSet{kWeb, {}}));
  EXPECT_THAT(allowed({{kWeb, Allow}, {kEverybody, Deny}}), IsEmpty());
}

TEST(From, AShadowDenialLetsThroughAndIsCounted) {
  const std::vector<CallerAction> actions{{kEverybody, Allow}, {kWeb, AllowWithShadowDeny}};

  EXPECT_THAT(allowed(actions), ElementsAre(CallerSet{kEverybody, {}}, CallerSet{kWeb, {}}));
  EXPECT_THAT(callers_with(actions, {AllowWithShadowDeny}), ElementsAre(CallerSet{kWeb, {}}));
}

// For every way to order up to three statements about two services: who gets in is who the last statement about it lets
// in.
TEST(From, AgreesWithReadingTheListFromTheEnd) {
  const std::vector<Tags> groups{kEverybody, kWeb, kApi, kV1, kWebV1};
  const std::vector<Tags> callers{
      kWeb, kApi, kV1, kWebV1, {{kServiceTag, "api"}, {"version", "v1"}}, {{kServiceTag, "other"}}};
  const auto is_in = [](const Tags& group, const Tags& caller) {
    return std::all_of(group.begin(), group.end(), [&](const auto& tag) {
      return caller.contains(tag.first) && caller.at(tag.first) == tag.second;
    });
  };
  for (std::size_t code = 0; code < 1000; ++code) {
    std::vector<CallerAction> actions;
    for (std::size_t rest = code, i = 0; i < 3; ++i, rest /= 10) {
      actions.push_back({groups[rest % 5], rest % 10 < 5 ? Allow : Deny});
    }
    const auto sets = allowed(actions);
    for (const Tags& caller : callers) {
      bool expected = false;
      for (const auto& action : actions) {
        if (is_in(action.caller, caller)) expected = action.action == Allow;
      }
      const bool gets_in = std::any_of(sets.begin(), sets.end(), [&](const CallerSet& set) {
        return is_in(set.caller, caller) &&
               std::none_of(set.except.begin(), set.except.end(),
                            [&](const Tags& exception) { return is_in(exception, caller); });
      });
      EXPECT_EQ(gets_in, expected) << "code " << code;
    }
  }
}

TEST(Rules, DenyBeforeTheyAllowAndRefuseAllOthers) {
  const Match web{.spiffe_id = SpiffeMatch{SpiffeMatchType::Exact, "spiffe://m/web"}, .sni = {}};
  const PermissionRuleConf allows{.deny = {}, .allow_with_shadow_deny = {}, .allow = std::vector{web}};
  const PermissionRuleConf denies{.deny = std::vector{web}, .allow_with_shadow_deny = {}, .allow = {}};
  ::xds::type::matcher::v3::Matcher matcher;

  match_permissions({{"allows", &allows}, {"denies", &denies}}, matcher);

  ASSERT_EQ(matcher.matcher_list().matchers_size(), 2);
  ::envoy::config::rbac::v3::Action first, last;
  matcher.matcher_list().matchers(0).on_match().action().typed_config().UnpackTo(&first);
  matcher.on_no_match().action().typed_config().UnpackTo(&last);
  EXPECT_EQ(first.name(), "denies");
  EXPECT_EQ(first.action(), ::envoy::config::rbac::v3::RBAC::DENY);
  EXPECT_EQ(last.action(), ::envoy::config::rbac::v3::RBAC::DENY);
}

TEST(Rules, HaveNoShadowWhenNoneIsAskedFor) {
  const PermissionRuleConf nothing;
  ::xds::type::matcher::v3::Matcher matcher;

  EXPECT_FALSE(match_shadow_refusals({{"p", &nothing}}, matcher));
}

std::vector<std::string> wrong_fields(const std::string& spec) {
  std::vector<Violation> violations;
  const AnySpec parsed = kMeshTrafficPermissionKind.parse(boost::json::parse(spec), violations);
  if (violations.empty()) kMeshTrafficPermissionKind.validate(parsed, violations);
  std::vector<std::string> fields;
  for (const auto& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(Validation, NamesTheFields) {
  EXPECT_THAT(wrong_fields(R"({"from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]})"),
              IsEmpty());
  EXPECT_THAT(
      wrong_fields(
          R"({"targetRef": {"kind": "Nope"}, "from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "ALLOW"}}]})"),
      ElementsAre("spec.targetRef.kind", "spec.from[0].default.action"));
  EXPECT_THAT(wrong_fields(R"({"from": [{"targetRef": {"kind": "Mesh"}, "default": {}}]})"),
              ElementsAre("spec.from[0].default.action"));
  EXPECT_THAT(wrong_fields(R"({"from": [{"targetRef": {"kind": "Dataplane"}, "default": {"action": "Allow"}}]})"),
              ElementsAre("spec.from[0].targetRef.kind"));
  EXPECT_THAT(wrong_fields("{}"), ElementsAre("spec"));
  EXPECT_THAT(wrong_fields(R"({"rules": [{"default": {}}]})"), ElementsAre("spec.rules[0]"));
  EXPECT_THAT(
      wrong_fields(R"({"rules": [{"default": {"allow": [{"spiffeID": {"type": "Exact", "value": "web"}}, {}]}}]})"),
      ElementsAre("spec.rules[0].allow[0].spiffeID", "spec.rules[0].allow[1]"));
}

TEST(Printing, GivesBackWhatWasRead) {
  const auto spec = boost::json::parse(
      R"({"targetRef": {"kind": "MeshService", "name": "web"}, "from": [{"targetRef": {"kind": "Mesh"}, "default": {"action": "Allow"}}]})");
  std::vector<Violation> violations;

  EXPECT_EQ(kMeshTrafficPermissionKind.print(kMeshTrafficPermissionKind.parse(spec, violations)), spec);
}

}  // namespace
}  // namespace mesh
