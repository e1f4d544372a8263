#include "admission/labels.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/dataplane.h"

namespace mesh {
namespace {

const std::string* find(const Labels& labels, const char* name) {
  const auto found = labels.find(name);
  return found == labels.end() ? nullptr : &found->second;
}

void set_or_erase(Labels& labels, const char* name, bool enabled) {
  if (enabled)
    labels[name] = "enabled";
  else
    labels.erase(name);
}

void add_proxy_labels(Labels& labels, const Dataplane& dataplane) {
  const auto& gateway = dataplane.networking.gateway;  // one that we do not run ourselves has a sidecar
  labels[kProxyTypeLabel] = gateway && gateway->type == GatewayType::BUILTIN ? "gateway" : "sidecar";
  const auto has = [&](ListenerType type) {
    return std::ranges::count(dataplane.networking.listeners, type, &DataplaneListener::type) > 0;
  };
  set_or_erase(labels, "kuma.io/listener-zoneingress", has(ListenerType::ZoneIngress));
  set_or_erase(labels, "kuma.io/listener-zoneegress", has(ListenerType::ZoneEgress));
}

// A DNS-1035 label: lower case letters, digits and '-', beginning with a letter, ending with a letter or digit.
bool is_dns_1035_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && text.front() >= 'a' && text.front() <= 'z' && is_subdomain(text) &&
         !text.contains('.');
}

}  // namespace

void add_computed_labels(Resource& resource, const std::string& zone) {
  const Kind& kind = *resource.key.kind;
  Labels& labels = resource.labels;
  if (kind.scope == Scope::Mesh) labels.try_emplace(kMeshLabel, resource.key.mesh);
  if (kind.made_in_zones) {
    const std::string origin = labels.try_emplace(kOriginLabel, "zone").first->second;
    if (origin != "global") {
      labels.try_emplace(kZoneLabel, zone);
      labels.try_emplace(kEnvironmentLabel, "universal");
    }
  }
  if (const auto* dataplane = resource.spec.as<Dataplane>()) add_proxy_labels(labels, *dataplane);
}

void check_resource_labels(const Resource& draft, const std::string& zone, Violations& violations) {
  const auto refuse = [&](const char* label, std::string reason) {
    violations.push_back({at_key("labels", label), std::move(reason)});
  };
  const std::string* origin = find(draft.labels, kOriginLabel);
  if (origin != nullptr && *origin != "zone" && *origin != "global") refuse(kOriginLabel, "may be zone or global");
  if (origin == nullptr || *origin != "global") {
    if (const std::string* named = find(draft.labels, kZoneLabel); named != nullptr && *named != zone)
      refuse(kZoneLabel, fmt::format("must be \"{}\": the zone of this control plane", zone));
    if (const std::string* named = find(draft.labels, kMeshLabel); named != nullptr && *named != draft.key.mesh)
      refuse(kMeshLabel, fmt::format("must be \"{}\": the mesh of this resource", draft.key.mesh));
  }
  if (draft.spec.as<Dataplane>() != nullptr)
    if (const std::string* workload = find(draft.labels, kWorkloadLabel);
        workload != nullptr && !workload->empty() && !is_dns_1035_label(*workload))
      refuse(kWorkloadLabel,
             "must be a DNS-1035 label: at most 63 lower case letters, digits and '-', beginning with a letter");
  check_labels(draft.labels, violations);
}

void check_immutable_labels(const Resource& before, const Resource& after, Violations& violations) {
  for (const char* label : {kOriginLabel, kZoneLabel, kDisplayNameLabel}) {
    const std::string* was = find(before.labels, label);
    const std::string* is = find(after.labels, label);
    if (was == nullptr || (is != nullptr && *is == *was)) continue;
    violations.push_back({at_key("labels", label),
                          is == nullptr
                              ? fmt::format("cannot be removed: it is \"{}\" and never changes", *was)
                              : fmt::format("cannot become \"{}\": it is \"{}\" and never changes", *is, *was)});
  }
}

}  // namespace mesh
