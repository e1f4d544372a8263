#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <fmt/format.h>

#include "config/parts.h"
#include "envoy/address.h"
#include "envoy/names.h"
#include "envoy/pack.h"

namespace mesh::build {
namespace {

using namespace std::chrono_literals;
namespace names = envoy::names;
using envoy::Protocol;

// One inbound with what follows from its defaults.
struct InboundPlan {
  const Inbound& inbound;
  std::size_t index;
  std::string address;      // where the proxy listens
  std::string app_address;  // where the application does
  std::uint32_t app_port;
  Protocol protocol;
  std::string cluster;
};

InboundPlan plan(const Inbound& inbound, std::size_t index, const Networking& networking) {
  const std::string address = inbound.address.empty() ? networking.address : inbound.address;
  const std::uint32_t app_port = inbound.service_port == 0 ? inbound.port : inbound.service_port;
  return {inbound,
          index,
          address,
          inbound.service_address.empty() ? address : inbound.service_address,
          app_port,
          envoy::parse_protocol(inbound.protocol()),
          names::local_cluster(app_port)};
}

void add_app_cluster(Context& context, const InboundPlan& plan) {
  if (context.draft.find_cluster(plan.cluster) != nullptr) return;
  auto* cluster = make_static_cluster(context, plan.cluster, plan.app_address, plan.app_port);
  envoy::set_duration(cluster->mutable_connect_timeout(), 10s);
  envoy::proto::HttpProtocolOptions* http = nullptr;
  if (envoy::is_http(plan.protocol)) {
    http = context.draft.make<envoy::proto::HttpProtocolOptions>();
    envoy::set_duration(http->mutable_common_http_protocol_options()->mutable_idle_timeout(), 2h);
    if (plan.protocol == Protocol::Http)
      http->mutable_explicit_http_config()->mutable_http_protocol_options();
    else
      http->mutable_explicit_http_config()->mutable_http2_protocol_options();
  }
  context.draft.add_cluster({.role = envoy::Role::Inbound,
                             .service = plan.inbound.service(),
                             .protocol = plan.protocol,
                             .inbound = plan.index,
                             .shell = cluster,
                             .http = http});
}

// Leads to the application. The caller's identity goes along in x-forwarded-client-cert, and never as the caller says.
envoy::proto::HttpConnectionManager* make_inbound_http(Context& context, const InboundPlan& plan) {
  auto* http = make_http(context, plan.cluster, Internal::PrivateNetworks);
  using Manager = envoy::proto::HttpConnectionManager;
  http->set_forward_client_cert_details(Manager::SANITIZE_SET);
  http->mutable_set_current_client_cert_details()->set_uri(true);
  envoy::set_duration(http->mutable_common_http_protocol_options()->mutable_idle_timeout(), 2h);
  envoy::set_duration(http->mutable_stream_idle_timeout(), 1h);

  const std::string listener = names::inbound_listener(plan.address, plan.inbound.port);
  const std::string& service = plan.inbound.service();
  auto& routes = *http->mutable_route_config();
  routes.set_name(service.empty() ? listener : names::inbound_route(service));
  routes.add_request_headers_to_remove("x-kuma-tags");
  routes.mutable_validate_clusters()->set_value(false);
  auto& host = *routes.add_virtual_hosts();
  host.set_name(service.empty() ? listener : service);
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(plan.cluster);
  envoy::set_duration(route.mutable_route()->mutable_timeout(), Duration::zero());
  return http;
}

envoy::Chain make_chain(Context& context, const InboundPlan& plan) {
  envoy::Chain chain{.shell = context.draft.make<envoy::proto::FilterChain>()};
  if (!envoy::is_http(plan.protocol)) {
    chain.tcp = context.draft.make<envoy::proto::TcpProxy>();
    chain.tcp->set_stat_prefix(names::for_statistics(plan.cluster));
    chain.tcp->set_cluster(plan.cluster);
    envoy::set_duration(chain.tcp->mutable_idle_timeout(), 2h);
    return chain;
  }
  chain.http = make_inbound_http(context, plan);
  if (plan.protocol == Protocol::Grpc) chain.http_filters.push_back(make_grpc_statistics(context));
  return chain;
}

envoy::Chain make_mesh_chain(Context& context, const InboundPlan& plan) {
  envoy::Chain chain = make_chain(context, plan);
  chain.is_mesh_tls = true;
  accept_mesh_tls(context.mesh(), *chain.shell);
  return chain;
}

envoy::Chain make_open_chain(Context& context, const InboundPlan& plan, const char* transport) {
  envoy::Chain chain = make_chain(context, plan);
  chain.shell->mutable_filter_chain_match()->set_transport_protocol(transport);
  return chain;
}

// Strict: only the mesh. Permissive: also whoever does not speak mesh TLS, be it plain text or the application's own
// TLS.
std::vector<envoy::Chain> make_chains(Context& context, const InboundPlan& plan) {
  std::vector<envoy::Chain> chains;
  if (context.ca() == nullptr) {
    chains.push_back(make_chain(context, plan));
  } else if (context.ca()->mode == TlsMode::STRICT) {
    chains.push_back(make_mesh_chain(context, plan));
  } else {
    chains.push_back(make_open_chain(context, plan, "raw_buffer"));
    chains.push_back(make_open_chain(context, plan, "tls"));
    envoy::Chain mesh_chain = make_mesh_chain(context, plan);
    mesh_chain.shell->mutable_filter_chain_match()->set_transport_protocol("tls");
    mesh_chain.shell->mutable_filter_chain_match()->add_application_protocols(kMeshAlpn);
    chains.push_back(std::move(mesh_chain));
  }
  return chains;
}

void add_inbound(Context& context, const InboundPlan& plan) {
  add_app_cluster(context, plan);
  auto* listener = context.draft.make<envoy::proto::Listener>();
  listener->set_name(names::inbound_listener(plan.address, plan.inbound.port));
  listener->set_traffic_direction(::envoy::config::core::v3::INBOUND);
  listener->mutable_enable_reuse_port()->set_value(context.traits.has_feature("feature-reuse-port"));
  envoy::set_address(plan.address, plan.inbound.port, *listener->mutable_address());
  set_tags(plan.inbound.tags, *listener);
  const bool permissive = context.ca() != nullptr && context.ca()->mode == TlsMode::PERMISSIVE;
  context.draft.add_listener({.role = envoy::Role::Inbound,
                              .service = plan.inbound.service(),
                              .protocol = plan.protocol,
                              .address = plan.address,
                              .port = plan.inbound.port,
                              .inbound = plan.index,
                              .shell = listener,
                              .chains = make_chains(context, plan),
                              .inspects_tls = permissive});
}

}  // namespace

void add_inbounds(Context& context) {
  const Networking& networking = context.spec.networking;
  for (std::size_t i = 0; i < networking.inbound.size(); ++i) {
    if (networking.inbound[i].state == InboundState::Ignored) continue;
    const InboundPlan inbound = plan(networking.inbound[i], i, networking);
    if (!envoy::is_ip(inbound.address) || !envoy::is_ip(inbound.app_address)) {
      context.warnings.push_back(
          fmt::format("networking.inbound[{}]: \"{}\" is not an IP address; the inbound is left out", i,
                      envoy::is_ip(inbound.address) ? inbound.app_address : inbound.address));
      continue;
    }
    if (!context.taken.emplace(inbound.address, inbound.inbound.port).second) {
      context.warnings.push_back(fmt::format("networking.inbound[{}]: {} is an inbound already; this one is left out",
                                             i, names::join_host_port(inbound.address, inbound.inbound.port)));
      continue;
    }
    add_inbound(context, inbound);
  }
}

}  // namespace mesh::build
