#include <algorithm>
#include <iterator>

#include "config/build.h"
#include "config/endpoints.h"
#include "config/outbound_cache.h"
#include "config/outbound_plan.h"
#include "config/proxy_config.h"
#include "config/shared_resources.h"
#include "envoy/names.h"

namespace mesh {
namespace {

using build::Destination;
using build::Destinations;
using build::PlannedOutbound;

constexpr std::size_t kOwnResources = 8;  // of most proxies at most

// Resources by name, some of them replaced and some taken away.
NamedResources replaced(const NamedResources& before, const NamedResources& fresh, const std::set<std::string>& gone) {
  auto out = std::make_shared<NamedResourceList>();
  out->reserve(before->size() + fresh->size());
  auto next = fresh->begin();
  for (const NamedResourcePtr& old : *before) {
    for (; next != fresh->end() && (*next)->name < old->name; ++next) out->push_back(*next);
    if (next != fresh->end() && (*next)->name == old->name)
      out->push_back(*next++);
    else if (!gone.contains(old->name))
      out->push_back(old);
  }
  out->insert(out->end(), next, fresh->end());
  return out;
}

NamedResources joined(const NamedResourceList& some, NamedResourceList others) {
  auto out = std::make_shared<NamedResourceList>(std::move(others));
  out->insert(out->end(), some.begin(), some.end());
  std::ranges::sort(*out, {}, name_of_resource);
  return out;
}

const Destination& destination_of(const Destination& destination) { return destination; }
const Destination& destination_of(const PlannedOutbound& outbound) { return outbound.destination; }
std::string name_of(const Destination& destination) { return destination.cluster; }
std::string name_of(const PlannedOutbound& outbound) {
  return envoy::names::outbound_listener(outbound.address, outbound.port);
}

// What it is made from, beside its backend and what all outbounds of the caller depend on. Nothing: what is outside
// depends on secrets and on the proxy's machine as well.
template <class Wanted>
std::optional<std::string> origin_of(const MeshSnapshot& snapshot, const Wanted& wanted) {
  if (destination_of(wanted).is_external()) return std::nullopt;
  return build::origin_of(snapshot, wanted);
}

// Those that are to be made, each with what it is made from.
template <class Wanted>
struct Missing {
  std::vector<const Wanted*> wanted;
  std::vector<std::optional<std::string>> origins;
  bool empty() const { return wanted.empty(); }
};

// Takes what is known already.
template <class Wanted>
Missing<Wanted> take_known(SharedOutbounds& shared, const MeshSnapshot& snapshot,
                           const std::vector<const Wanted*>& wanted, NamedResourceList& out) {
  Missing<Wanted> missing;
  out.reserve(wanted.size() + kOwnResources);
  for (const Wanted* one : wanted) {
    std::optional<std::string> origin = origin_of(snapshot, *one);
    NamedResourcePtr known;
    if (origin) known = shared.find(*origin, destination_of(*one).backend);
    if (known) {
      out.push_back(std::move(known));
    } else {
      missing.wanted.push_back(one);
      missing.origins.push_back(std::move(origin));
    }
  }
  return missing;
}

template <class Wanted>
void keep(SharedOutbounds& shared, const Missing<Wanted>& missing, const NamedResourceList& made) {
  for (std::size_t i = 0; i < missing.wanted.size(); ++i) {
    if (!missing.origins[i]) continue;
    const std::string name = name_of(*missing.wanted[i]);
    const auto found = std::ranges::lower_bound(made, name, {}, name_of_resource);
    if (found != made.end() && (*found)->name == name)
      shared.keep(*missing.origins[i], destination_of(*missing.wanted[i]).backend, *found);
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
  mutable SharedResources resources;

  // In the order of the destinations.
  NamedResources endpoints_of(const MeshSnapshot& snapshot, const Destinations& destinations) const {
    const auto& routing = snapshot.spec().routing;
    const ClientView view{zone, routing && routing->locality_aware_load_balancing};
    auto out = std::make_shared<NamedResourceList>();
    out->reserve(destinations.size());
    for (const Destination* destination : destinations)
      if (!destination->is_external())
        out->push_back(endpoints.get(snapshot.name, *destination, views_of(snapshot, *destination), view));
    return out;
  }

  void apply_policies(const MeshSnapshot& snapshot, const Resource& dataplane, envoy::ResourceSet& draft) const {
    const ProxyContext proxy{snapshot, dataplane, dataplane.spec_as<Dataplane>()};
    for (const Policy* policy : policies) policy->apply(proxy, draft);
  }

  // Of all kinds.
  Say say_of(const MeshSnapshot& snapshot, const Resource& dataplane) const {
    const ProxyContext proxy{snapshot, dataplane, dataplane.spec_as<Dataplane>()};
    Say out;
    for (const Policy* policy : policies) {
      Say some = policy->say(proxy);
      std::ranges::move(some.own, std::back_inserter(out.own));
      std::ranges::move(some.outbounds, std::back_inserter(out.outbounds));
    }
    return out;
  }

  std::shared_ptr<const OwnPart> own_part_of(const MeshSnapshot& snapshot, const SharedResource& dataplane,
                                             const ProxyTraits& traits, std::vector<SharedResource> say,
                                             const ProxyConfig* before) const {
    if (before != nullptr && before->own != nullptr && before->own->mesh == snapshot.mesh &&
        before->own->dataplane == dataplane && before->own->policies == say)
      return before->own;
    const auto& spec = dataplane->spec_as<Dataplane>();
    auto own = std::make_shared<OwnPart>();
    own->mesh = snapshot.mesh;
    own->dataplane = dataplane;
    own->policies = std::move(say);
    envoy::ResourceSet draft;
    build::Context context{snapshot, spec, traits, draft, own->warnings};
    build::add_admin(context);
    if (is_builtin_gateway(spec))
      context.warnings.push_back("networking.gateway: built-in gateways are not there yet; the proxy gets no traffic");
    else
      build::add_inbounds(context);
    apply_policies(snapshot, *dataplane, draft);
    own->clusters = resources.share(draft.seal_clusters());
    own->listeners = resources.share(draft.seal_listeners());
    return own;
  }

  // Where the sidecar's own DNS server reads the names of these.
  NamedResourceList make_names(const MeshSnapshot& snapshot, const Resource& dataplane, const ProxyTraits& traits,
                               const std::vector<PlannedOutbound>& planned, std::vector<std::string>& warnings) const {
    if (!build::wants_names(traits)) return {};
    envoy::ResourceSet draft;
    build::Context context{snapshot, dataplane.spec_as<Dataplane>(), traits, draft, warnings};
    build::add_names(context, planned, outbounds.dns_domain);
    apply_policies(snapshot, dataplane, draft);
    return resources.share(draft.seal_listeners());
  }

  // Clusters and listeners of outbounds: those that others have already, and the rest made.
  struct Outbounds {
    NamedResourceList clusters, listeners;
  };
  Outbounds make_outbounds(const MeshSnapshot& snapshot, const Resource& dataplane, const ProxyTraits& traits,
                           std::vector<SharedResource> say, const std::vector<PlannedOutbound>& planned,
                           const Destinations& destinations, std::vector<std::string>& warnings) const {
    const auto shared = known_outbounds.of({snapshot.mesh, std::move(say), traits.ipv6});
    std::vector<const PlannedOutbound*> all;
    all.reserve(planned.size());
    for (const PlannedOutbound& outbound : planned) all.push_back(&outbound);
    Outbounds out;
    const auto new_destinations = take_known(*shared, snapshot, destinations, out.clusters);
    const auto new_outbounds = take_known(*shared, snapshot, all, out.listeners);
    if (new_destinations.empty() && new_outbounds.empty()) return out;
    envoy::ResourceSet draft;
    build::Context context{snapshot, dataplane.spec_as<Dataplane>(), traits, draft, warnings};
    build::add_outbounds(context, new_outbounds.wanted, new_destinations.wanted);
    apply_policies(snapshot, dataplane, draft);
    NamedResourceList clusters = resources.share(draft.seal_clusters());
    NamedResourceList listeners = resources.share(draft.seal_listeners());
    keep(*shared, new_destinations, clusters);
    keep(*shared, new_outbounds, listeners);
    std::ranges::move(clusters, std::back_inserter(out.clusters));
    std::ranges::move(listeners, std::back_inserter(out.listeners));
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
                                                        const ProxyTraits& traits, std::vector<std::string>* warnings,
                                                        const ProxyConfig* before) const {
  const SharedResource resource = snapshot.dataplanes.at(dataplane);
  const auto& spec = resource->spec_as<Dataplane>();
  std::vector<std::string> unheard;
  std::vector<std::string>& heard = warnings == nullptr ? unheard : *warnings;
  Say say = impl_->say_of(snapshot, *resource);

  auto config = std::make_shared<ProxyConfig>();
  config->own = impl_->own_part_of(snapshot, resource, traits, std::move(say.own), before);
  heard.insert(heard.end(), config->own->warnings.begin(), config->own->warnings.end());
  std::vector<PlannedOutbound> outbounds;
  Destinations destinations;
  Impl::Outbounds made;
  if (!is_builtin_gateway(spec)) {
    outbounds = build::OutboundPlan(snapshot, *resource, traits, impl_->outbounds).build(heard);
    destinations = build::destinations_of(outbounds);
    made = impl_->make_outbounds(snapshot, *resource, traits, std::move(say.outbounds), outbounds, destinations, heard);
    std::ranges::move(impl_->make_names(snapshot, *resource, traits, outbounds, heard),
                      std::back_inserter(made.listeners));
  }
  config->clusters = joined(config->own->clusters, std::move(made.clusters));
  config->listeners = joined(config->own->listeners, std::move(made.listeners));
  config->routes = std::make_shared<NamedResourceList>();  // routes lie within their listeners
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
    std::vector<std::string>& heard = warnings == nullptr ? unheard : *warnings;
    const auto outbounds = plan.build_for(keys, heard);
    const auto destinations = build::destinations_of(outbounds);
    auto made = impl_->make_outbounds(snapshot, *resource, traits, impl_->say_of(snapshot, *resource).outbounds,
                                      outbounds, destinations, heard);
    if (has_new_names) {
      std::vector<std::string> said_before;
      std::ranges::move(impl_->make_names(snapshot, *resource, traits, plan.build(said_before), heard),
                        std::back_inserter(made.listeners));
    }
    config->clusters = replaced(before.clusters, joined({}, std::move(made.clusters)), gone_clusters);
    config->listeners = replaced(before.listeners, joined({}, std::move(made.listeners)), gone_listeners);
    config->endpoints = replaced(before.endpoints, impl_->endpoints_of(snapshot, destinations), gone_clusters);
  }
  if (!touched.endpoints.empty()) {
    const auto outbounds = plan.build_using(touched.endpoints);
    config->endpoints =
        replaced(config->endpoints, impl_->endpoints_of(snapshot, build::destinations_of(outbounds)), {});
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
