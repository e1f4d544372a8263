#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>

#include "config/parts.h"
#include "envoy/address.h"
#include "envoy/names.h"

namespace mesh::build {
namespace {

namespace names = envoy::names;

constexpr const char* kAdminAddress = "127.0.0.1";

void route_to(const std::string& cluster, const std::string& prefix, ::envoy::config::route::v3::VirtualHost& host) {
  auto& route = *host.add_routes();
  route.mutable_match()->set_prefix(prefix);
  route.mutable_route()->set_cluster(cluster);
  route.mutable_route()->set_prefix_rewrite(prefix);
}

// Whether the proxy takes traffic, for load balancers and orchestrators that ask from outside. Nothing else of the
// admin API leaves the machine.
void add_listener(Context& context) {
  const std::string name(names::kAdmin);
  auto* http = make_http(context, name, Internal::Loopback);
  auto& routes = *http->mutable_route_config();
  routes.mutable_validate_clusters()->set_value(false);
  auto& host = *routes.add_virtual_hosts();
  host.set_name(name);
  host.add_domains("*");
  route_to(std::string(names::kReadiness), "/ready", host);

  auto* listener = context.draft.make<envoy::proto::Listener>();
  listener->set_name(name);
  listener->set_traffic_direction(::envoy::config::core::v3::INBOUND);
  listener->mutable_enable_reuse_port()->set_value(context.traits.has_feature("feature-reuse-port"));
  const std::string& address = context.spec.networking.address;
  envoy::set_address(address, context.traits.admin_port, *listener->mutable_address());
  context.draft.add_listener({.role = envoy::Role::Admin,
                              .protocol = envoy::Protocol::Http,
                              .address = address,
                              .port = context.traits.admin_port,
                              .shell = listener,
                              .chains = {{.shell = context.draft.make<envoy::proto::FilterChain>(), .http = http}}});
}

void add_cluster(Context& context, std::string_view name, std::uint32_t port, const std::string& socket) {
  auto* cluster = socket.empty() ? make_static_cluster(context, std::string(name), kAdminAddress, port)
                                 : make_pipe_cluster(context, std::string(name), socket);
  context.draft.add_cluster({.role = envoy::Role::Admin, .shell = cluster});
}

}  // namespace

void add_admin(Context& context) {
  const ProxyTraits& traits = context.traits;
  const bool has_readiness = traits.readiness_port != 0 || !traits.readiness_socket.empty();
  if (traits.admin_port == 0 || !has_readiness) return;
  add_cluster(context, names::kAdmin, traits.admin_port, traits.admin_socket);
  add_cluster(context, names::kReadiness, traits.readiness_port, traits.readiness_socket);
  // On loopback the admin API itself may have that port already.
  if (context.spec.networking.address != kAdminAddress && envoy::is_ip(context.spec.networking.address))
    add_listener(context);
}

}  // namespace mesh::build
