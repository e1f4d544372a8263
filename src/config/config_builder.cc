#include <algorithm>
#include <iterator>

#include "config/build.h"
#include "config/endpoints.h"
#include "config/outbound_cache.h"
#include "config/outbound_plan.h"
#include "config/proxy_config.h"
#include "config/shared_bytes.h"
#include "envoy/names.h"

namespace mesh {
namespace {

using build::Destination;
using build::PlannedOutbound;

// Resources by name, some of them replaced and some taken away.
NamedResources replaced(const NamedResources& before, const NamedResources& fresh, const std::set<std::string>& gone) {
  auto out = std::make_shared<std::vector<NamedResource>>();
  out->reserve(before->size() + fresh->size());
  auto next = fresh->begin();
  for (const NamedResource& old : *before) {
    for (; next != fresh->end() && next->name < old.name; ++next) out->push_back(*next);
    if (next != fresh->end() && next->name == old.name)
      out->push_back(*next++);
    else if (!gone.contains(old.name))
      out->push_back(old);
  }
  out->insert(out->end(), next, fresh->end());
  return out;
}

NamedResources joined(envoy::ResourceSet::Sealed some, std::vector<NamedResource> others) {
  some->insert(some->end(), std::move_iterator(others.begin()), std::move_iterator(others.end()));
  std::ranges::sort(*some, {}, &NamedResource::name);
  return some;
}

const Destination& destination_of(const Destination& destination) { return destination; }
const Destination& destination_of(const PlannedOutbound& outbound) { return outbound.destination; }
std::string name_of(const Destination& destination) { return destination.cluster; }
std::string name_of(const PlannedOutbound& outbound) {
  return envoy::names::outbound_listener(outbound.address, outbound.port);
}

// Those that are known; the others go to `missing`.
template <class Wanted>
std::vector<NamedResource> take_known(SharedOutbounds& shared, const MeshSnapshot& snapshot,
                                      const std::vector<Wanted>& wanted, std::vector<Wanted>& missing) {
  std::vector<NamedResource> out;
  out.reserve(wanted.size());
  for (const Wanted& one : wanted) {
    const Destination& destination = destination_of(one);
    // What is outside depends on secrets and on the proxy's machine.
    std::optional<NamedResource> known;
    if (!destination.is_external()) known = shared.find(build::origin_of(snapshot, one), destination.backend);
    if (known)
      out.push_back(*std::move(known));
    else
      missing.push_back(one);
  }
  return out;
}

template <class Wanted>
void keep(SharedOutbounds& shared, const MeshSnapshot& snapshot, const std::vector<Wanted>& wanted,
          const std::vector<NamedResource>& made) {
  for (const Wanted& one : wanted) {
    const Destination& destination = destination_of(one);
    if (destination.is_external()) continue;
    const auto found = std::ranges::lower_bound(made, name_of(one), {}, &NamedResource::name);
    if (found != made.end() && found->name == name_of(one))
      shared.keep(build::origin_of(snapshot, one), destination.backend, *found);
  }
}

bool is_builtin_gateway(const Dataplane& spec) {
  return spec.networking.gateway && spec.networking.gateway->type == GatewayType::BUILTIN;
}

}  // namespace

struct ConfigBuilder::Impl {
  std::string zone;
  std::vector<const Policy*> policies;
  OutboundSettings outbounds;
  mutable EndpointCache endpoints;
  mutable OutboundCache known_outbounds;
  mutable SharedBytes bytes;

  // In the order of the destinations.
  NamedResources endpoints_of(const MeshSnapshot& snapshot, const std::vector<Destination>& destinations) const {
    const auto& routing = snapshot.spec().routing;
    const ClientView view{zone, routing && routing->locality_aware_load_balancing};
    auto resources = std::make_shared<std::vector<NamedResource>>();
    resources->reserve(destinations.size());
    for (const Destination& destination : destinations)
      if (!destination.is_external())
        resources->push_back(endpoints.get(snapshot.name, destination, views_of(snapshot, destination), view));
    return resources;
  }

  void apply_policies(const MeshSnapshot& snapshot, const Resource& dataplane, envoy::ResourceSet& draft) const {
    const ProxyContext proxy{snapshot, dataplane, dataplane.spec_as<Dataplane>()};
    for (const Policy* policy : policies) policy->apply(proxy, draft);
  }

  std::shared_ptr<SharedOutbounds> shared_outbounds_of(const MeshSnapshot& snapshot, const Resource& dataplane,
                                                       const ProxyTraits& traits) const {
    const ProxyContext proxy{snapshot, dataplane, dataplane.spec_as<Dataplane>()};
    Caller caller{snapshot.mesh, {}, traits.ipv6};
    for (const Policy* policy : policies) {
      std::vector<SharedResource> some = policy->for_outbounds(proxy);
      caller.policies.insert(caller.policies.end(), some.begin(), some.end());
    }
    return known_outbounds.of(caller);
  }

  // Clusters and listeners of outbounds: those that others have already, and the rest made.
  struct Outbounds {
    std::vector<NamedResource> clusters, listeners;
  };
  Outbounds make_outbounds(const MeshSnapshot& snapshot, const Resource& dataplane, const ProxyTraits& traits,
                           const std::vector<PlannedOutbound>& planned, const std::vector<Destination>& destinations,
                           std::vector<std::string>& warnings) const {
    const auto shared = shared_outbounds_of(snapshot, dataplane, traits);
    std::vector<Destination> new_destinations;
    std::vector<PlannedOutbound> new_outbounds;
    Outbounds out{take_known(*shared, snapshot, destinations, new_destinations),
                  take_known(*shared, snapshot, planned, new_outbounds)};
    if (new_destinations.empty() && new_outbounds.empty()) return out;
    envoy::ResourceSet draft;
    build::Context context{snapshot, dataplane.spec_as<Dataplane>(), traits, draft, warnings};
    build::add_outbounds(context, new_outbounds, new_destinations);
    apply_policies(snapshot, dataplane, draft);
    const NamedResources clusters = bytes.share(draft.seal_clusters());
    const NamedResources listeners = bytes.share(draft.seal_listeners());
    keep(*shared, snapshot, new_destinations, *clusters);
    keep(*shared, snapshot, new_outbounds, *listeners);
    out.clusters.insert(out.clusters.end(), clusters->begin(), clusters->end());
    out.listeners.insert(out.listeners.end(), listeners->begin(), listeners->end());
    return out;
  }
};

void Touched::merge(const Touched& later) {
  for (const auto& [key, before] : later.outbounds) {
    auto& all = outbounds[key];
    all.insert(all.end(), before.begin(), before.end());
  }
  endpoints.insert(later.endpoints.begin(), later.endpoints.end());
  names |= later.names;
}

bool ProxyTraits::has_feature(std::string_view name) const {
  return std::find(features.begin(), features.end(), name) != features.end();
}

ConfigBuilder::ConfigBuilder(std::string zone, std::vector<const Policy*> policies, OutboundSettings outbounds)
    : impl_(std::make_unique<Impl>()) {
  impl_->zone = std::move(zone);
  impl_->policies = std::move(policies);
  impl_->outbounds = std::move(outbounds);
}

ConfigBuilder::~ConfigBuilder() = default;

std::shared_ptr<const ProxyConfig> ConfigBuilder::build(const MeshSnapshot& snapshot, const std::string& dataplane,
                                                        const ProxyTraits& traits,
                                                        std::vector<std::string>* warnings) const {
  const SharedResource resource = snapshot.dataplanes.at(dataplane);
  const auto& spec = resource->spec_as<Dataplane>();
  std::vector<std::string> unheard;
  envoy::ResourceSet draft;
  build::Context context{snapshot, spec, traits, draft, warnings == nullptr ? unheard : *warnings};

  build::add_admin(context);
  std::vector<Destination> destinations;
  Impl::Outbounds made;
  if (is_builtin_gateway(spec)) {
    context.warnings.push_back("networking.gateway: built-in gateways are not there yet; the proxy gets no traffic");
  } else {
    build::add_inbounds(context);
    const auto outbounds = build::OutboundPlan(snapshot, *resource, traits, impl_->outbounds).build(context.warnings);
    destinations = build::destinations_of(outbounds);
    made = impl_->make_outbounds(snapshot, *resource, traits, outbounds, destinations, context.warnings);
    if (build::wants_names(traits)) build::add_names(context, outbounds, impl_->outbounds.dns_domain);
  }
  impl_->apply_policies(snapshot, *resource, draft);

  auto config = std::make_shared<ProxyConfig>();
  auto clusters = draft.seal_clusters();
  auto listeners = draft.seal_listeners();
  impl_->bytes.share(clusters);
  impl_->bytes.share(listeners);
  config->clusters = joined(std::move(clusters), std::move(made.clusters));
  config->listeners = joined(std::move(listeners), std::move(made.listeners));
  config->routes = std::make_shared<std::vector<NamedResource>>();  // routes lie within their listeners
  config->endpoints = impl_->endpoints_of(snapshot, destinations);
  add_secrets(snapshot, spec, *config);
  return config;
}

std::shared_ptr<const ProxyConfig> ConfigBuilder::rebuild(const ProxyConfig& before, const MeshSnapshot& snapshot,
                                                          const std::string& dataplane, const ProxyTraits& traits,
                                                          const Touched& touched,
                                                          std::vector<std::string>* warnings) const {
  const SharedResource resource = snapshot.dataplanes.at(dataplane);
  const auto& spec = resource->spec_as<Dataplane>();
  auto config = std::make_shared<ProxyConfig>(before);
  if (is_builtin_gateway(spec)) return config;
  const build::OutboundPlan plan(snapshot, *resource, traits, impl_->outbounds);
  std::set<std::string> gone_clusters;
  const bool has_new_names = build::wants_names(traits) && (touched.names || !touched.outbounds.empty());
  if (!touched.outbounds.empty() || has_new_names) {
    std::set<std::string> keys, gone_listeners;
    for (const auto& [key, befores] : touched.outbounds) {
      keys.insert(key);
      for (const OutboundBefore& one : befores) plan.add_former_names(key, one, gone_listeners, gone_clusters);
    }
    std::vector<std::string> unheard;
    envoy::ResourceSet draft;
    build::Context context{snapshot, spec, traits, draft, warnings == nullptr ? unheard : *warnings};
    const auto outbounds = plan.build_for(keys, context.warnings);
    const auto destinations = build::destinations_of(outbounds);
    auto made = impl_->make_outbounds(snapshot, *resource, traits, outbounds, destinations, context.warnings);
    if (has_new_names) {
      std::vector<std::string> said_before;
      build::add_names(context, plan.build(said_before), impl_->outbounds.dns_domain);
    }
    impl_->apply_policies(snapshot, *resource, draft);
    auto names = draft.seal_listeners();
    impl_->bytes.share(names);
    config->clusters =
        replaced(before.clusters, joined(draft.seal_clusters(), std::move(made.clusters)), gone_clusters);
    config->listeners = replaced(before.listeners, joined(std::move(names), std::move(made.listeners)), gone_listeners);
    config->endpoints = replaced(before.endpoints, impl_->endpoints_of(snapshot, destinations), gone_clusters);
  }
  if (!touched.endpoints.empty()) {
    auto destinations = build::destinations_of(plan.build_using(touched.endpoints));
    config->endpoints = replaced(config->endpoints, impl_->endpoints_of(snapshot, destinations), {});
  }
  config->secrets.clear();
  add_secrets(snapshot, spec, *config);
  return config;
}

void ConfigBuilder::add_secrets(const MeshSnapshot& snapshot, const Dataplane& spec, ProxyConfig& config) {
  const bool has_mesh_traffic = !spec.networking.inbound.empty() || config.has_endpoints();
  if (snapshot.spec().enabled_ca() == nullptr || !has_mesh_traffic) return;
  config.secrets = {{SecretRef::What::Identity, envoy::names::identity_secret(snapshot.name)},
                    {SecretRef::What::MeshCa, envoy::names::ca_secret(snapshot.name)}};
}

}  // namespace mesh
