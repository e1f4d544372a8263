#include <envoy/config/rbac/v3/rbac.pb.h>
#include <envoy/extensions/filters/http/rbac/v3/rbac.pb.h>
#include <envoy/extensions/filters/network/rbac/v3/rbac.pb.h>
#include <xds/type/matcher/v3/matcher.pb.h>

#include <algorithm>

#include "envoy/names.h"
#include "policies/meshtrafficpermission/mesh_traffic_permission.h"
#include "policies/meshtrafficpermission/rbac.h"
#include "policy/matching.h"

namespace mesh {
namespace {

using HttpFilter = ::envoy::extensions::filters::http::rbac::v3::RBAC;
using NetworkFilter = ::envoy::extensions::filters::network::rbac::v3::RBAC;
using MatchedPermissions = std::vector<Matched<MeshTrafficPermission>>;

// What one inbound lets in.
struct Permissions {
  std::vector<NamedRule> rules;       // when there are any, they alone decide
  std::vector<CallerAction> callers;  // otherwise
};

Permissions permissions_for(const MatchedPermissions& policies, std::size_t inbound) {
  Permissions permissions;
  for (const auto& policy : policies) {
    if (!policy.selection.has_inbound(inbound)) continue;
    if (policy.spec->rules) {
      for (const PermissionRule& rule : *policy.spec->rules) {
        permissions.rules.push_back({kri_of(*policy.resource), &rule.default_});
      }
    }
    if (policy.spec->from) {
      for (const PermissionFrom& from : *policy.spec->from) {
        if (from.default_.action) permissions.callers.push_back({caller_tags(from.target_ref), *from.default_.action});
      }
    }
  }
  return permissions;
}

template <class Filter>
void fill(const Permissions& permissions, const std::string& mesh, Filter& filter) {
  if (!permissions.rules.empty()) {
    match_permissions(permissions.rules, *filter.mutable_matcher());
    if (!match_shadow_refusals(permissions.rules, *filter.mutable_shadow_matcher())) filter.clear_shadow_matcher();
    return;
  }
  using enum PermissionAction;
  allow_callers(callers_with(permissions.callers, {Allow, AllowWithShadowDeny}), mesh, *filter.mutable_rules());
  const auto shadow = callers_with(permissions.callers, {AllowWithShadowDeny});
  if (!shadow.empty()) deny_callers(shadow, mesh, *filter.mutable_shadow_rules());
}

bool asks_for_server_name(const Permissions& permissions) {
  const auto has_sni = [](const std::optional<std::vector<Match>>& matches) {
    return matches &&
           std::any_of(matches->begin(), matches->end(), [](const Match& match) { return match.sni.has_value(); });
  };
  return std::any_of(permissions.rules.begin(), permissions.rules.end(), [&](const NamedRule& rule) {
    return has_sni(rule.conf->deny) || has_sni(rule.conf->allow) || has_sni(rule.conf->allow_with_shadow_deny);
  });
}

class MeshTrafficPermissionPolicy final : public Policy {
 public:
  const Kind& kind() const override { return kMeshTrafficPermissionKind; }

  const TargetRef* target_of(const Resource& policy) const override { return target_in<MeshTrafficPermission>(policy); }

  void apply(const ProxyContext& proxy, envoy::ResourceSet& draft) const override {
    if (proxy.snapshot.spec().enabled_ca() == nullptr) return;
    const auto policies = matched_policies<MeshTrafficPermission>(proxy, kMeshTrafficPermissionKind);
    for (envoy::ListenerDraft& listener : draft.listeners()) {
      if (listener.role != envoy::Role::Inbound) continue;
      const Permissions permissions = permissions_for(policies, listener.inbound);
      for (envoy::Chain& chain : listener.chains) {
        if (chain.is_mesh_tls) guard(permissions, proxy.snapshot.name, listener, draft, chain);
      }
      if (asks_for_server_name(permissions)) listener.inspects_tls = true;
    }
  }

  Say say(const ProxyContext& proxy) const override {
    Say out;
    for (auto& policy : matched_policies<MeshTrafficPermission>(proxy, kMeshTrafficPermissionKind))
      out.own.push_back(std::move(policy.resource));
    return out;
  }

 private:
  // First of all filters. On HTTP it answers 403, and its statistics are per connection manager.
  static void guard(const Permissions& permissions, const std::string& mesh, const envoy::ListenerDraft& listener,
                    envoy::ResourceSet& draft, envoy::Chain& chain) {
    if (chain.http != nullptr) {
      auto* filter = draft.make<HttpFilter>();
      fill(permissions, mesh, *filter);
      chain.http_filters.insert(chain.http_filters.begin(), {"envoy.filters.http.rbac", filter});
    } else {
      auto* filter = draft.make<NetworkFilter>();
      fill(permissions, mesh, *filter);
      // The dot parts the listener's name from what Envoy appends.
      filter->set_stat_prefix(
          envoy::names::for_statistics(envoy::names::inbound_listener(listener.address, listener.port)) + ".");
      chain.network_filters.insert(chain.network_filters.begin(), {"envoy.filters.network.rbac", filter});
    }
  }
};

}  // namespace

const Policy& mesh_traffic_permission_policy() {
  static const MeshTrafficPermissionPolicy policy;
  return policy;
}

}  // namespace mesh
