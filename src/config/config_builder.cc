#include <algorithm>

#include "config/build.h"
#include "config/endpoints.h"
#include "config/proxy_config.h"
#include "config/shared_bytes.h"
#include "envoy/names.h"

namespace mesh {

struct ConfigBuilder::Impl {
  std::string zone;
  std::vector<const Policy*> policies;
  mutable EndpointCache endpoints;
  mutable SharedBytes bytes;

  NamedResources endpoints_of(const MeshSnapshot& snapshot, const std::vector<build::Destination>& destinations) const {
    const auto& routing = snapshot.spec().routing;
    const ClientView view{zone, routing && routing->locality_aware_load_balancing};
    auto resources = std::make_shared<std::vector<NamedResource>>();
    resources->reserve(destinations.size());
    for (const build::Destination& destination : destinations) {
      const auto* service = snapshot.services.get(destination.service);
      resources->push_back(endpoints.get(snapshot.name, destination, service == nullptr ? nullptr : *service, view));
    }
    return resources;
  }
};

bool ProxyTraits::has_feature(std::string_view name) const {
  return std::find(features.begin(), features.end(), name) != features.end();
}

ConfigBuilder::ConfigBuilder(std::string zone, std::vector<const Policy*> policies) : impl_(std::make_unique<Impl>()) {
  impl_->zone = std::move(zone);
  impl_->policies = std::move(policies);
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
  if (spec.networking.gateway && spec.networking.gateway->type == GatewayType::BUILTIN) {
    context.warnings.push_back("networking.gateway: built-in gateways are not there yet; the proxy gets no traffic");
  } else {
    build::add_inbounds(context);
    build::add_outbounds(context);
  }
  const ProxyContext proxy{snapshot, *resource, spec};
  for (const Policy* policy : impl_->policies) policy->apply(proxy, draft);

  auto config = std::make_shared<ProxyConfig>();
  config->clusters = impl_->bytes.share(draft.seal_clusters());
  config->listeners = impl_->bytes.share(draft.seal_listeners());
  config->routes = std::make_shared<std::vector<NamedResource>>();  // routes lie within their listeners
  const auto destinations = build::destinations_of(spec);
  config->endpoints = impl_->endpoints_of(snapshot, destinations);
  for (const auto& destination : destinations) config->services.push_back(destination.service);
  std::sort(config->services.begin(), config->services.end());
  config->services.erase(std::unique(config->services.begin(), config->services.end()), config->services.end());
  const bool has_mesh_traffic = !spec.networking.inbound.empty() || !destinations.empty();
  if (context.ca() != nullptr && has_mesh_traffic) {
    config->secrets = {{SecretRef::What::Identity, envoy::names::identity_secret(snapshot.name)},
                       {SecretRef::What::MeshCa, envoy::names::ca_secret(snapshot.name)}};
  }
  return config;
}

std::shared_ptr<const ProxyConfig> ConfigBuilder::rebuild_endpoints(const ProxyConfig& before,
                                                                    const MeshSnapshot& snapshot,
                                                                    const std::string& dataplane) const {
  const auto destinations = build::destinations_of(snapshot.dataplanes.at(dataplane)->spec_as<Dataplane>());
  auto config = std::make_shared<ProxyConfig>(before);
  config->endpoints = impl_->endpoints_of(snapshot, destinations);
  return config;
}

}  // namespace mesh
