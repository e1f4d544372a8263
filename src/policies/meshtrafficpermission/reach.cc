#include "policies/meshtrafficpermission/reach.h"

#include <algorithm>

#include "envoy/names.h"
#include "policies/meshtrafficpermission/mesh_traffic_permission.h"
#include "policies/meshtrafficpermission/rbac.h"
#include "policy/matching.h"

namespace mesh {
namespace {

using MatchedPermission = Matched<MeshTrafficPermission>;

bool lets_in(PermissionAction action) { return action != PermissionAction::Deny; }

bool is_one_of(const Tags& caller, const Tags& group) {
  return std::all_of(group.begin(), group.end(), [&](const auto& tag) {
    const auto found = caller.find(tag.first);
    return found != caller.end() && found->second == tag.second;
  });
}

// A proxy that has nothing but these tags.
Resource stand_in(const Tags& tags) {
  Dataplane spec;
  spec.networking.inbound.emplace_back().tags = tags;
  Resource out;
  out.key.kind = &kDataplaneKind;
  out.spec = AnySpec::of(std::move(spec));
  return out;
}

TargetRef without_other_tags(TargetRef target, const Tags& known) {
  if (target.tags) std::erase_if(*target.tags, [&](const auto& tag) { return !known.contains(tag.first); });
  return target;
}

bool names_caller(const Match& match, const std::string& mesh, const std::vector<Tags>& callers) {
  if (!match.spiffe_id) return match.sni.has_value();
  return std::any_of(callers.begin(), callers.end(), [&](const Tags& caller) {
    const auto service = caller.find(kServiceTag);
    if (service == caller.end()) return false;
    const std::string id = envoy::names::spiffe_id(mesh, service->second);
    return match.spiffe_id->type == SpiffeMatchType::Exact ? id == match.spiffe_id->value
                                                           : id.starts_with(match.spiffe_id->value);
  });
}

bool names_caller(const std::optional<std::vector<Match>>& matches, const std::string& mesh,
                  const std::vector<Tags>& callers) {
  return matches && std::any_of(matches->begin(), matches->end(),
                                [&](const Match& match) { return names_caller(match, mesh, callers); });
}

bool allows_by_rules(const MeshTrafficPermission& spec, const std::string& mesh, const std::vector<Tags>& callers) {
  return spec.rules && std::any_of(spec.rules->begin(), spec.rules->end(), [&](const PermissionRule& rule) {
           return names_caller(rule.default_.allow, mesh, callers) ||
                  names_caller(rule.default_.allow_with_shadow_deny, mesh, callers);
         });
}

// Of what is said of a caller the last word counts.
bool allows_by_tags(const std::vector<const PermissionFrom*>& said, const std::vector<Tags>& callers) {
  return std::any_of(callers.begin(), callers.end(), [&](const Tags& caller) {
    const auto last = std::find_if(said.rbegin(), said.rend(), [&](const PermissionFrom* from) {
      return from->default_.action && is_one_of(caller, caller_tags(from->target_ref));
    });
    return last != said.rend() && lets_in(*(*last)->default_.action);
  });
}

std::vector<const PermissionFrom*> said_by(const std::vector<MatchedPermission>& policies) {
  std::vector<const PermissionFrom*> out;
  for (const MatchedPermission& policy : policies)
    if (policy.spec->from)
      for (const PermissionFrom& from : *policy.spec->from) out.push_back(&from);
  return out;
}

}  // namespace

bool may_call(const MeshSnapshot& snapshot, const std::vector<Tags>& callers, const Tags& called) {
  const Resource dataplane = stand_in(called);
  std::vector<MatchedPermission> by_tags;
  for (const SharedResource& resource : snapshot.policies_of(kMeshTrafficPermissionKind)) {
    const auto* spec = resource->spec.as<MeshTrafficPermission>();
    if (spec == nullptr || is_shadow(*resource)) continue;
    const TargetRef target = without_other_tags(*target_in<MeshTrafficPermission>(*resource), called);
    MatchedPermission policy{resource, spec, {}, precedence_of(target, *resource)};
    if (target.kind == TargetKind::Dataplane) {
      if (allows_by_rules(*spec, snapshot.name, callers) || allows_by_tags(said_by({policy}), callers)) return true;
      continue;
    }
    policy.selection = select_by(target, *resource, dataplane, dataplane.spec_as<Dataplane>());
    if (policy.selection.empty()) continue;
    if (allows_by_rules(*spec, snapshot.name, callers)) return true;
    by_tags.push_back(std::move(policy));
  }
  std::stable_sort(by_tags.begin(), by_tags.end(),
                   [](const auto& a, const auto& b) { return a.precedence < b.precedence; });
  return allows_by_tags(said_by(by_tags), callers);
}

}  // namespace mesh
