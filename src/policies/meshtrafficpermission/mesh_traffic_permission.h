// MeshTrafficPermission: who may call. Without one that selects an inbound and a caller, the caller is refused, as long
// as the mesh has mutual TLS; without it nobody can tell who calls, and the policy has no effect.
// https://kuma.io/docs/2.13.x/policies/meshtrafficpermission/
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <optional>
#include <vector>

#include "model/kind.h"
#include "model/target_ref.h"
#include "policy/match.h"
#include "policy/policy.h"

namespace mesh {

extern const Kind kMeshTrafficPermissionKind;

// AllowWithShadowDeny lets through, and counts and logs as if it were refused.
enum class PermissionAction { Allow, Deny, AllowWithShadowDeny };
BOOST_DESCRIBE_ENUM(PermissionAction, Allow, Deny, AllowWithShadowDeny)

struct PermissionConf {
  std::optional<PermissionAction> action;
};
BOOST_DESCRIBE_STRUCT(PermissionConf, (), (action))

struct PermissionFrom {
  TargetRef target_ref;
  PermissionConf default_;

  static constexpr std::array kRules = {FieldRule{.member = "target_ref", .required = true}};
};
BOOST_DESCRIBE_STRUCT(PermissionFrom, (), (target_ref, default_))

// Who is in `deny` is refused whatever else is said.
struct PermissionRuleConf {
  std::optional<std::vector<Match>> deny;
  std::optional<std::vector<Match>> allow_with_shadow_deny;
  std::optional<std::vector<Match>> allow;
};
BOOST_DESCRIBE_STRUCT(PermissionRuleConf, (), (deny, allow_with_shadow_deny, allow))

struct PermissionRule {
  PermissionRuleConf default_;

  static constexpr std::array kRules = {FieldRule{.member = "default_", .required = true}};
};
BOOST_DESCRIBE_STRUCT(PermissionRule, (), (default_))

struct MeshTrafficPermission {
  std::optional<TargetRef> target_ref;
  std::optional<std::vector<PermissionFrom>> from;
  std::optional<std::vector<PermissionRule>> rules;
};
BOOST_DESCRIBE_STRUCT(MeshTrafficPermission, (), (target_ref, from, rules))

const Policy& mesh_traffic_permission_policy();

}  // namespace mesh
