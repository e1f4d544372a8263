// Permissions as Envoy's access control says them. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "policies/meshtrafficpermission/mesh_traffic_permission.h"

namespace envoy::config::rbac::v3 {
class RBAC;
}
namespace xds::type::matcher::v3 {
class Matcher;
}

namespace mesh {

// One item of `from`, in the order of growing precedence: of those that name a caller the last one decides.
struct CallerAction {
  Tags caller;  // all of these; empty: everybody
  PermissionAction action = PermissionAction::Deny;

  friend bool operator==(const CallerAction&, const CallerAction&) = default;
};

// Whom the targetRef of an item names.
Tags caller_tags(const TargetRef& caller);

// Principals for whom one of `wanted` is the last action that names them.
struct CallerSet {
  Tags caller;
  std::vector<Tags> except;

  friend bool operator==(const CallerSet&, const CallerSet&) = default;
};
std::vector<CallerSet> callers_with(const std::vector<CallerAction>& actions,
                                    const std::vector<PermissionAction>& wanted);

// Lets in whom `callers` names. Certificates carry spiffe://<mesh>/<service>, and kuma://<tag>/<value> for other tags.
void allow_callers(const std::vector<CallerSet>& callers, const std::string& mesh,
                   ::envoy::config::rbac::v3::RBAC& rules);
void deny_callers(const std::vector<CallerSet>& callers, const std::string& mesh,
                  ::envoy::config::rbac::v3::RBAC& rules);

// The `rules` of policies: each with the name that Envoy's log and statistics show.
struct NamedRule {
  std::string name;  // KRI of the policy
  const PermissionRuleConf* conf = nullptr;
};
// Refusals first, then permissions, then refusal of all others.
void match_permissions(const std::vector<NamedRule>& rules, ::xds::type::matcher::v3::Matcher& matcher);
// Who would be refused if shadow refusals were real. False when no rule has any.
bool match_shadow_refusals(const std::vector<NamedRule>& rules, ::xds::type::matcher::v3::Matcher& matcher);

}  // namespace mesh
