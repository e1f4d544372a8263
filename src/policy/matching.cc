#include "policy/matching.h"

namespace mesh {
namespace {

// Asked for again and again: looked up without making a string for each.
const std::string kOriginLabel = "kuma.io/origin";
const std::string kZoneLabel = "kuma.io/zone";
const std::string kDisplayNameLabel = "kuma.io/display-name";
const std::string kRoleLabel = "kuma.io/policy-role";
const std::string kEffectLabel = "kuma.io/effect";

const std::string& label(const Resource& resource, const std::string& name) {
  static const std::string none;
  const auto found = resource.labels.find(name);
  return found == resource.labels.end() ? none : found->second;
}

const std::string& display_name(const Resource& resource) {
  const std::string& name = label(resource, kDisplayNameLabel);
  return name.empty() ? resource.key.name : name;
}

// A policy that was written in a zone holds for the proxies of that zone.
bool is_in_scope(const Resource& policy, const Resource& dataplane) {
  if (label(policy, kRoleLabel) == "producer") return true;
  if (label(policy, kOriginLabel) != "zone" || label(dataplane, kOriginLabel) != "zone") return true;
  const std::string &policy_zone = label(policy, kZoneLabel), &proxy_zone = label(dataplane, kZoneLabel);
  return policy_zone.empty() || proxy_zone.empty() || policy_zone == proxy_zone;
}

bool has_tag(const Tags& tags, const std::string& name, const std::string& wanted) {
  const auto found = tags.find(name);
  return found != tags.end() && (wanted == "*" || wanted == found->second);
}

bool has_tags(const Tags& tags, const std::map<std::string, std::string>& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& entry) { return has_tag(tags, entry.first, entry.second); });
}

template <class IsWanted>
Selection select_tagged(const Dataplane& spec, IsWanted is_wanted) {
  Selection selection;
  for (std::size_t i = 0; i < spec.networking.inbound.size(); ++i) {
    if (is_wanted(spec.networking.inbound[i].tags)) selection.inbounds.push_back(i);
  }
  const auto& gateway = spec.networking.gateway;
  selection.gateway = gateway && gateway->type == GatewayType::DELEGATED && is_wanted(gateway->tags);
  return selection;
}

bool is_supported(const TargetRef& target, const Dataplane& spec) {
  if (!target.proxy_types || target.proxy_types->empty()) return true;
  const ProxyType type = spec.networking.gateway ? ProxyType::Gateway : ProxyType::Sidecar;
  return std::find(target.proxy_types->begin(), target.proxy_types->end(), type) != target.proxy_types->end();
}

bool names_dataplane(const TargetRef& target, const Resource& policy, const Resource& dataplane) {
  const bool by_name = target.name && !target.name->empty();
  if (!by_name && !target.labels) return true;  // all of them
  if (by_name)
    return *target.name == display_name(dataplane) && label(policy, kZoneLabel) == label(dataplane, kZoneLabel);
  return std::all_of(target.labels->begin(), target.labels->end(), [&](const auto& entry) {
    const auto found = dataplane.labels.find(entry.first);
    return found != dataplane.labels.end() && found->second == entry.second;
  });
}

Selection select_dataplane(const TargetRef& target, const Resource& policy, const Resource& dataplane,
                           const Dataplane& spec) {
  Selection selection;
  if (!names_dataplane(target, policy, dataplane)) return selection;
  for (std::size_t i = 0; i < spec.networking.inbound.size(); ++i) {
    if (!target.section_name || target.section_name->empty() ||
        *target.section_name == spec.networking.inbound[i].section_name()) {
      selection.inbounds.push_back(i);
    }
  }
  selection.gateway = spec.networking.gateway && spec.networking.gateway->type == GatewayType::DELEGATED;
  return selection;
}

// The name of the targetRef says which service, whatever its tags say of that.
bool is_part_of_service(const Tags& tags, const TargetRef& target) {
  static const std::string nameless;
  if (!has_tag(tags, kServiceTag, target.name ? *target.name : nameless)) return false;
  return !target.tags || std::ranges::all_of(*target.tags, [&](const auto& entry) {
    return entry.first == kServiceTag || has_tag(tags, entry.first, entry.second);
  });
}

// Wherever the policy was written.
Selection select_anywhere(const TargetRef& target, const Resource& policy, const Resource& dataplane,
                          const Dataplane& spec) {
  switch (target.kind) {
    case TargetKind::Mesh:
      return is_supported(target, spec) ? select_tagged(spec, [](const Tags&) { return true; }) : Selection{};
    case TargetKind::MeshSubset:
      if (!is_supported(target, spec)) return {};
      return select_tagged(spec, [&](const Tags& tags) { return !target.tags || has_tags(tags, *target.tags); });
    case TargetKind::Dataplane: return select_dataplane(target, policy, dataplane, spec);
    case TargetKind::MeshService:
    case TargetKind::MeshServiceSubset:
      return select_tagged(spec, [&](const Tags& tags) { return is_part_of_service(tags, target); });
    case TargetKind::MeshGateway:          // built-in gateways are not proxies of ours yet
    case TargetKind::MeshHTTPRoute:        // routes are not there yet
    case TargetKind::MeshExternalService:  // these two are destinations and select no proxy
    case TargetKind::MeshMultiZoneService: return {};
  }
  return {};
}

int specificity(TargetKind kind) {
  switch (kind) {
    case TargetKind::Mesh: return 1;
    case TargetKind::Dataplane: return 2;
    case TargetKind::MeshSubset: return 3;
    case TargetKind::MeshGateway: return 4;
    case TargetKind::MeshService: return 5;
    case TargetKind::MeshExternalService: return 6;
    case TargetKind::MeshMultiZoneService: return 7;
    case TargetKind::MeshServiceSubset: return 8;
    case TargetKind::MeshHTTPRoute: return 9;
  }
  return 0;
}

int detail_of(const TargetRef& target) {
  if (target.kind == TargetKind::MeshGateway) return target.tags ? static_cast<int>(target.tags->size()) : 0;
  if (target.kind != TargetKind::Dataplane) return 0;
  int detail = target.section_name && !target.section_name->empty() ? 1 : 0;
  if (target.labels) detail += 2;
  if (target.name && !target.name->empty()) detail += 4;
  return detail;
}

int role_rank(const std::string& role) {
  if (role == "producer") return 2;
  if (role == "consumer") return 3;
  if (role == "workload-owner") return 4;
  return 1;
}

int origin_rank(const std::string& origin) {
  if (origin == "global") return 1;
  return origin == "zone" ? 3 : 2;
}

}  // namespace

bool concerns(const Policy& of, const Resource& policy, const Resource& dataplane) {
  const TargetRef* target = of.target_of(policy);
  return target != nullptr && !select_by(*target, policy, dataplane, dataplane.spec_as<Dataplane>()).empty() &&
         !is_shadow(policy);
}

// Most policies are about others: what is looked at first tells that of most.
Selection select_by(const TargetRef& target, const Resource& policy, const Resource& dataplane, const Dataplane& spec) {
  Selection selection = select_anywhere(target, policy, dataplane, spec);
  if (!selection.empty() && !is_in_scope(policy, dataplane)) return {};
  return selection;
}

bool is_shadow(const Resource& policy) { return label(policy, kEffectLabel) == "shadow"; }

Precedence precedence_of(const TargetRef& target, const Resource& policy) {
  return {specificity(target.kind), detail_of(target), origin_rank(label(policy, kOriginLabel)),
          role_rank(label(policy, kRoleLabel)), display_name(policy)};
}

bool is_same_level(const Precedence& a, const Precedence& b) {
  return std::tie(a.kind, a.detail, a.origin, a.role) == std::tie(b.kind, b.detail, b.origin, b.role);
}

namespace {

bool is_about_service(const TargetRef& to, const std::string& service) {
  switch (to.kind) {
    case TargetKind::Mesh: return true;
    case TargetKind::MeshService: return to.name == service;
    case TargetKind::MeshServiceSubset: return to.name == service && (!to.tags || to.tags->empty());
    case TargetKind::MeshSubset: return !to.tags || has_tags({{kServiceTag, service}}, *to.tags);
    default: return false;  // about resources that are not known by a kuma.io/service
  }
}

bool is_of_kind(const TargetRef& to, const envoy::Backend& backend) {
  switch (to.kind) {
    case TargetKind::MeshService: return backend.kind == "MeshService";
    case TargetKind::MeshExternalService: return backend.kind == "MeshExternalService";
    case TargetKind::MeshMultiZoneService: return backend.kind == "MeshMultiZoneService";
    default: return false;
  }
}

bool names_section(const TargetRef& to, const envoy::Backend& backend) {
  return to.section_name && !to.section_name->empty() && backend.kind != "MeshExternalService";
}

bool is_about_backend(const TargetRef& to, const envoy::Backend& backend) {
  if (to.kind == TargetKind::Mesh) return true;
  if (!is_of_kind(to, backend) || (names_section(to, backend) && *to.section_name != backend.section)) return false;
  if (to.labels && !to.labels->empty()) return has_tags(backend.labels, *to.labels);
  if (to.name == backend.name) return true;
  const auto display = backend.labels.find(kDisplayNameLabel);
  return display != backend.labels.end() && to.name == display->second;
}

}  // namespace

bool is_about(const TargetRef& to, const Whither& whither) {
  return whither.backend.empty() ? is_about_service(to, whither.service) : is_about_backend(to, whither.backend);
}

int detail_of_backend(const TargetRef& to, const Whither& whither) {
  if (whither.backend.empty() || to.kind == TargetKind::Mesh) return 0;
  return names_section(to, whither.backend) ? 2 : 1;
}

}  // namespace mesh
