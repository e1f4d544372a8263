#include "config/outbound_plan.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "envoy/address.h"
#include "envoy/names.h"

namespace mesh::build {
namespace {

namespace names = envoy::names;
namespace json = boost::json;

constexpr const char* kMeshTag = "kuma.io/mesh";
constexpr const char* kUnifiedNameTag = "kuma.io/unified-name";
constexpr const char* kLoopback = "127.0.0.1";
constexpr const char* kBindFeature = "feature-bind-outbounds";

SharedTags tags_of(const Outbound& outbound) {
  if (!outbound.tags.contains(kMeshTag)) return {SharedTags(), &outbound.tags};
  auto tags = std::make_shared<Tags>(outbound.tags);
  tags->erase(kMeshTag);
  return tags;
}

SharedTags no_tags() {
  static const Tags none;
  return {SharedTags(), &none};
}

Destination to_service(const std::string& service, const SharedTags& tags) {
  return {tags->size() > 1 ? names::split_cluster(service, *tags) : service, service, tags};
}

std::string label(const Resource& resource, const char* name) {
  const auto found = resource.labels.find(name);
  return found == resource.labels.end() ? std::string() : found->second;
}

// <mesh>_<name>_<namespace>_<zone>_<kind>_<port>; here nothing has a namespace.
std::string cluster_of(const BackendView& backend, std::uint32_t port) {
  const Resource& resource = *backend.resource;
  return fmt::format("{}_{}__{}_{}_{}", resource.key.mesh, backend.name(), label(resource, kZoneTag),
                     backend.kind().short_name, port);
}

PlannedOutbound to_backend(const std::shared_ptr<const BackendView>& backend, const BackendPort& port) {
  PlannedOutbound out;
  out.address = backend->vip;
  out.port = port.port;
  out.destination = {cluster_of(*backend, port.port), {}, no_tags(), backend, &port};
  out.tags = std::make_shared<const Tags>(Tags{{kUnifiedNameTag, kri_of(*backend->resource, port.section)}});
  return out;
}

std::string text_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

std::uint32_t number_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  boost::system::error_code problem;
  const auto number = value == nullptr ? 0 : value->to_number<std::uint32_t>(problem);
  return problem ? 0 : number;
}

const json::array* list_at(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_array();
}

bool is_loopback(const std::string& address) { return address.starts_with("127.") || address == "::1"; }

bool is_any(const std::string& address) { return address.empty() || address == "0.0.0.0" || address == "::"; }

bool has_labels(const Resource& resource, const std::map<std::string, std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& one) {
    const auto found = resource.labels.find(one.first);
    return found != resource.labels.end() && found->second == one.second;
  });
}

}  // namespace

OutboundPlan::OutboundPlan(const MeshSnapshot& snapshot, const Resource& dataplane, const ProxyTraits& traits,
                           const OutboundSettings& settings)
    : snapshot_(snapshot),
      spec_(dataplane.spec_as<Dataplane>()),
      settings_(settings),
      binds_(traits.has_feature(kBindFeature)),
      mode_(snapshot.mesh_services_mode()) {
  for (const Inbound& inbound : spec_.networking.inbound) {
    if (inbound.state == InboundState::Ignored) continue;
    inbounds_.emplace(inbound.address.empty() ? spec_.networking.address : inbound.address, inbound.port);
    // On the same port as its proxy it cannot be on every address.
    const bool has_own_port = inbound.service_port != 0 && inbound.service_port != inbound.port;
    if (has_own_port && is_any(inbound.service_address)) application_ports_.insert(inbound.service_port);
  }
  if (!binds_) return;
  read_reachable();
  if (settings_.may_call != nullptr) {
    for (const Inbound& inbound : spec_.networking.inbound) callers_.push_back(inbound.tags);
    if (spec_.networking.gateway) callers_.push_back(spec_.networking.gateway->tags);
  }
  occupied_ = inbounds_;
  for (const Outbound& outbound : spec_.networking.outbound)
    occupied_.emplace(outbound.address.empty() ? kLoopback : outbound.address, outbound.port);
}

// networking.transparentProxying: {reachableServices: [kv], reachableBackends: {refs: [{kind, name, labels, port}]}}
void OutboundPlan::read_reachable() {
  const json::object* proxying = spec_.networking.transparent_proxying.if_object();
  if (proxying == nullptr) return;
  if (const json::array* services = list_at(*proxying, "reachableServices"))
    for (const json::value& service : *services)
      if (service.is_string()) reachable_services_.emplace(service.get_string());
  const json::value* backends = proxying->if_contains("reachableBackends");
  if (backends == nullptr || !backends->is_object()) return;
  has_reachable_backends_ = true;
  const json::array* refs = list_at(backends->get_object(), "refs");
  if (refs == nullptr) return;
  for (const json::value& ref : *refs) {
    if (!ref.is_object()) continue;
    const json::object& object = ref.get_object();
    BackendRef& one = reachable_backends_.emplace_back(
        BackendRef{text_at(object, "kind"), text_at(object, "name"), {}, number_at(object, "port")});
    if (const json::value* labels = object.if_contains("labels"); labels != nullptr && labels->is_object())
      for (const auto& entry : labels->get_object())
        if (entry.value().is_string()) one.labels.emplace(entry.key(), std::string(entry.value().get_string()));
  }
}

bool OutboundPlan::BackendRef::means(const BackendView& backend, std::uint32_t which) const {
  if (kind != backend.kind().name || (port != 0 && port != which)) return false;
  if (!labels.empty()) return has_labels(*backend.resource, labels);
  return name == backend.name() || name == label(*backend.resource, "kuma.io/display-name");
}

bool OutboundPlan::may_reach_service(const std::string& service) const {
  if (!reachable_services_.empty()) return reachable_services_.contains(service);
  return may_call({{kServiceTag, service}});
}

bool OutboundPlan::may_call(const Tags& called) const {
  return settings_.may_call == nullptr || settings_.may_call(snapshot_, callers_, called);
}

// Permissions are given to MeshServices alone.
bool OutboundPlan::may_call_backend(const BackendView& backend) const {
  const auto* service = backend.resource->spec.as<MeshService>();
  if (service == nullptr || settings_.may_call == nullptr) return true;
  Tags called = service->selector.dataplane_tags.value_or(Tags());
  for (const char* name : {"kuma.io/origin", kZoneTag})
    if (std::string value = label(*backend.resource, name); !value.empty()) called[name] = std::move(value);
  return may_call(called);
}

bool OutboundPlan::may_reach(const BackendView& backend, const BackendPort& port) const {
  if (!has_reachable_backends_) {
    // Who says which services it calls wants no more than these.
    return reachable_services_.empty() && mode_ != MeshServicesMode::ReachableBackends && may_call_backend(backend);
  }
  return std::any_of(reachable_backends_.begin(), reachable_backends_.end(),
                     [&](const BackendRef& ref) { return ref.means(backend, port.port); });
}

void OutboundPlan::add_enumerated(const std::set<std::string>* keys, std::vector<std::string>& warnings,
                                  std::vector<PlannedOutbound>& out) const {
  const auto& outbounds = spec_.networking.outbound;
  if (keys == nullptr) out.reserve(outbounds.size());
  std::set<Place> taken = inbounds_;
  for (std::size_t i = 0; i < outbounds.size(); ++i) {
    const Outbound& outbound = outbounds[i];
    const std::string address = outbound.address.empty() ? kLoopback : outbound.address;
    const auto leave_out = [&](const std::string& why) {
      warnings.push_back(fmt::format("networking.outbound[{}]: {}; it is left out", i, why));
    };
    if (!outbound.backend_ref && outbound.service().empty()) {
      leave_out(fmt::format("has no {}", kServiceTag));
    } else if (!envoy::is_ip(address)) {
      leave_out(fmt::format("\"{}\" is not an IP address", outbound.address));
    } else if (!taken.emplace(address, outbound.port).second) {
      leave_out(fmt::format("{} is taken already", names::join_host_port(address, outbound.port)));
    } else if (!outbound.backend_ref) {
      if (keys != nullptr && !keys->contains(service_key(outbound.service()))) continue;
      SharedTags tags = tags_of(outbound);
      Destination destination = to_service(outbound.service(), tags);
      out.push_back({address, outbound.port, std::move(destination), std::move(tags)});
    } else {
      const OutboundBackendRef& given = *outbound.backend_ref;
      const BackendRef ref{given.kind, given.name, given.labels, given.port};
      // Of several that have the labels the oldest: what is added later takes nothing over.
      const std::shared_ptr<const BackendView>* chosen = nullptr;
      const BackendPort* port = nullptr;
      for (const auto& [key, backend] : snapshot_.backends)
        for (const BackendPort& one : backend->ports)
          if (ref.means(*backend, one.port) &&
              (chosen == nullptr || backend->resource->created < (*chosen)->resource->created)) {
            chosen = &backend;
            port = &one;
          }
      if (chosen == nullptr) {
        leave_out(fmt::format("there is no {} \"{}\" with port {}", ref.kind, ref.name, ref.port));
      } else if (keys == nullptr || keys->contains((*chosen)->key)) {
        PlannedOutbound found = to_backend(*chosen, *port);
        found.address = address;
        found.port = outbound.port;
        out.push_back(std::move(found));
      }
    }
  }
}

void OutboundPlan::add_service(const std::string& service, std::vector<std::string>& warnings,
                               std::vector<PlannedOutbound>& out) const {
  if (mode_ == MeshServicesMode::Exclusive || !snapshot_.services.contains(service) || !may_reach_service(service))
    return;
  const std::string* vip = snapshot_.vips.get(service);
  if (vip == nullptr || vip->empty()) return;
  const auto tags = std::make_shared<const Tags>(Tags{{kServiceTag, service}});
  add_bound({*vip, settings_.service_vip_port, to_service(service, tags), tags}, warnings, out);
}

void OutboundPlan::add_backend(const std::shared_ptr<const BackendView>& backend, std::vector<std::string>& warnings,
                               std::vector<PlannedOutbound>& out) const {
  if (backend->vip.empty()) return;
  for (const BackendPort& port : backend->ports)
    if (may_reach(*backend, port)) add_bound(to_backend(backend, port), warnings, out);
}

void OutboundPlan::add_bound(PlannedOutbound outbound, std::vector<std::string>& warnings,
                             std::vector<PlannedOutbound>& out) const {
  if (!envoy::is_ip(outbound.address) || occupied_.contains({outbound.address, outbound.port})) return;
  const auto warn = [&](std::string warning) {
    if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end()) warnings.push_back(std::move(warning));
  };
  if (!is_loopback(outbound.address))
    warn(
        "virtual addresses are not all within 127.0.0.0/8, where alone a proxy that binds its outbounds can listen: "
        "see "
        "KUMA_DNS_SERVER_CIDR and KUMA_IPAM_…_CIDR of the control plane");
  if (application_ports_.contains(outbound.port)) {
    warn(fmt::format(
        "virtual addresses with port {0}: the application listens on port {0} itself (servicePort), and on every "
        "address as far as its Dataplane says; these outbounds are left out so that it can start. Let it listen on one "
        "address, and say which as the inbound's serviceAddress",
        outbound.port));
    return;
  }
  out.push_back(std::move(outbound));
}

std::vector<PlannedOutbound> OutboundPlan::build(std::vector<std::string>& warnings) const {
  std::vector<PlannedOutbound> out;
  add_enumerated(nullptr, warnings, out);
  if (!binds_) return out;
  if (mode_ != MeshServicesMode::Exclusive)
    for (const auto& [service, view] : snapshot_.services) add_service(service, warnings, out);
  for (const auto& [key, backend] : snapshot_.backends) add_backend(backend, warnings, out);
  return out;
}

std::vector<PlannedOutbound> OutboundPlan::build_for(const std::set<std::string>& keys,
                                                     std::vector<std::string>& warnings) const {
  std::vector<PlannedOutbound> out;
  if (!spec_.networking.outbound.empty()) add_enumerated(&keys, warnings, out);
  if (!binds_) return out;
  for (const std::string& key : keys) {
    if (const std::string service = service_of_key(key); !service.empty())
      add_service(service, warnings, out);
    else if (const auto* backend = snapshot_.backends.get(key))
      add_backend(*backend, warnings, out);
  }
  return out;
}

std::vector<PlannedOutbound> OutboundPlan::build_using(const std::set<std::string>& views) const {
  std::set<std::string> keys;
  for (const std::string& view : views) {
    if (!view.contains('/')) keys.insert(service_key(view));
    if (const NameSet* users = snapshot_.users.get(view)) keys.insert(users->begin(), users->end());
  }
  std::vector<std::string> unheard;
  return build_for(keys, unheard);
}

void OutboundPlan::add_former_names(const std::string& key, const OutboundBefore& before,
                                    std::set<std::string>& listeners, std::set<std::string>& clusters) const {
  if (const std::string service = service_of_key(key); !service.empty()) {
    clusters.insert(service);
    if (!before.address.empty()) listeners.insert(names::outbound_listener(before.address, settings_.service_vip_port));
  }
  if (before.backend == nullptr) return;
  for (const BackendPort& port : before.backend->ports) {
    clusters.insert(cluster_of(*before.backend, port.port));
    if (!before.backend->vip.empty()) listeners.insert(names::outbound_listener(before.backend->vip, port.port));
  }
}

Destinations destinations_of(const std::vector<PlannedOutbound>& outbounds) {
  Destinations all;
  all.reserve(outbounds.size());
  for (const PlannedOutbound& outbound : outbounds) all.push_back(&outbound.destination);
  std::ranges::stable_sort(all, {}, &Destination::cluster);
  const auto repeated = std::ranges::unique(all, {}, &Destination::cluster);
  all.erase(repeated.begin(), repeated.end());
  return all;
}

}  // namespace mesh::build
