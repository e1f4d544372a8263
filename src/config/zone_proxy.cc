#include "config/build.h"
#include "config/proxy_config.h"
#include "model/proxy.h"

namespace mesh {

std::shared_ptr<const ProxyConfig> build_zone_proxy(const Resource& resource, const ProxyTraits& traits) {
  const MeshSnapshot no_mesh;
  Dataplane place;  // all that this part of a configuration depends on
  place.networking.address = proxy_address(resource);
  envoy::ResourceSet draft;
  std::vector<std::string> warnings;
  build::Context context{no_mesh, place, traits, draft, warnings};
  build::add_admin(context);

  auto config = std::make_shared<ProxyConfig>();
  config->clusters = std::make_shared<NamedResourceList>(draft.seal_clusters());
  config->listeners = std::make_shared<NamedResourceList>(draft.seal_listeners());
  return config;
}

}  // namespace mesh
