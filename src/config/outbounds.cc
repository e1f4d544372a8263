#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h>
#include <envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <fmt/format.h>

#include <map>

#include "config/parts.h"
#include "envoy/address.h"
#include "envoy/names.h"
#include "envoy/pack.h"

namespace mesh::build {
namespace {

using namespace std::chrono_literals;
namespace names = envoy::names;
using envoy::Protocol;

// Until the kinds MeshCircuitBreaker and MeshRetry are there, what their defaults for a new mesh say is built in.
constexpr std::uint32_t kMaxConnections = 1024, kMaxPendingRequests = 1024, kMaxRequests = 1024, kMaxRetries = 3;
constexpr std::uint32_t kRetries = 5, kHostAttempts = 5, kConnectAttempts = 5;
// reset-before-request: the connection broke before anything of the request was sent, so that nothing can happen twice.
constexpr const char* kRetryHttpOn = "gateway-error,connect-failure,refused-stream,reset-before-request";
constexpr const char* kRetryGrpcOn =
    "cancelled,connect-failure,gateway-error,refused-stream,reset,resource-exhausted,unavailable";
constexpr auto kPerTryTimeout = 16s;
constexpr auto kRetryBaseInterval = 25ms, kRetryMaxInterval = 250ms;

// The name of the route for everything that no other route takes.
constexpr const char* kCatchAllRoute = "9Zuf5Tg79OuZcQITwBbQykxAk2u4fRKrwYn3//AL4Yo=";

constexpr const char* kMeshTag = "kuma.io/mesh";

std::string cluster_of(const Outbound& outbound) {
  Tags tags = outbound.tags;
  tags.erase(kMeshTag);
  return tags.size() > 1 ? names::split_cluster(outbound.service(), tags) : outbound.service();
}

void set_retries(Protocol protocol, ::envoy::config::route::v3::RouteAction& route) {
  if (protocol != Protocol::Http && protocol != Protocol::Grpc) return;
  auto& retry = *route.mutable_retry_policy();
  retry.set_retry_on(protocol == Protocol::Grpc ? kRetryGrpcOn : kRetryHttpOn);
  retry.mutable_num_retries()->set_value(kRetries);
  envoy::set_duration(retry.mutable_per_try_timeout(), kPerTryTimeout);
  envoy::set_duration(retry.mutable_retry_back_off()->mutable_base_interval(), kRetryBaseInterval);
  envoy::set_duration(retry.mutable_retry_back_off()->mutable_max_interval(), kRetryMaxInterval);
  // Not to an instance that has just failed, while there are others.
  auto& previous = *retry.add_retry_host_predicate();
  previous.set_name("envoy.retry_host_predicates.previous_hosts");
  envoy::pack_any(::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate(),
                  *previous.mutable_typed_config());
  retry.set_host_selection_retry_max_attempts(kHostAttempts);
}

envoy::proto::HttpConnectionManager* make_outbound_http(Context& context, const std::string& service,
                                                        const std::string& cluster, Protocol protocol) {
  auto* http = make_http(context, service, Internal::PrivateNetworks);
  http->mutable_normalize_path()->set_value(true);
  auto& routes = *http->mutable_route_config();
  routes.set_name(names::outbound_route(service));
  routes.mutable_validate_clusters()->set_value(false);
  auto& host = *routes.add_virtual_hosts();
  host.set_name(service);
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.set_name(kCatchAllRoute);
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(cluster);
  set_retries(protocol, *route.mutable_route());
  return http;
}

envoy::Chain make_chain(Context& context, const std::string& service, const std::string& cluster, Protocol protocol,
                        bool is_known) {
  envoy::Chain chain{.shell = context.draft.make<envoy::proto::FilterChain>()};
  if (envoy::is_http(protocol)) {
    chain.http = make_outbound_http(context, service, cluster, protocol);
    if (protocol == Protocol::Grpc) chain.http_filters.push_back(make_grpc_statistics(context));
    return chain;
  }
  chain.tcp = context.draft.make<envoy::proto::TcpProxy>();
  chain.tcp->set_stat_prefix(names::for_statistics(service));
  chain.tcp->set_cluster(cluster);
  if (is_known) chain.tcp->mutable_max_connect_attempts()->set_value(kConnectAttempts);
  return chain;
}

std::string address_of(const Outbound& outbound) { return outbound.address.empty() ? "127.0.0.1" : outbound.address; }

void add_listener(Context& context, const Outbound& outbound) {
  const std::string& service = outbound.service();
  const std::string address = address_of(outbound);
  const ServiceView* known = context.snapshot.find_service(service);
  const Protocol protocol = known == nullptr ? Protocol::Tcp : envoy::parse_protocol(known->protocol);

  auto* listener = context.draft.make<envoy::proto::Listener>();
  listener->set_name(names::outbound_listener(address, outbound.port));
  listener->set_traffic_direction(::envoy::config::core::v3::OUTBOUND);
  envoy::set_address(address, outbound.port, *listener->mutable_address());
  Tags tags = outbound.tags;
  tags.erase(kMeshTag);
  set_tags(tags, *listener);
  context.draft.add_listener(
      {.role = envoy::Role::Outbound,
       .service = service,
       .protocol = protocol,
       .address = address,
       .port = outbound.port,
       .shell = listener,
       .chains = {make_chain(context, service, cluster_of(outbound), protocol, known != nullptr)}});
}

// Between sidecars it is always HTTP/2, whatever the applications speak.
void add_cluster(Context& context, const Destination& destination) {
  auto* cluster = context.draft.make<envoy::proto::Cluster>();
  cluster->set_name(destination.cluster);
  cluster->set_type(::envoy::config::cluster::v3::Cluster::EDS);
  auto& source = *cluster->mutable_eds_cluster_config()->mutable_eds_config();
  source.mutable_ads();
  source.set_resource_api_version(::envoy::config::core::v3::V3);
  envoy::set_duration(cluster->mutable_connect_timeout(), 5s);
  auto& limits = *cluster->mutable_circuit_breakers()->add_thresholds();
  limits.mutable_max_connections()->set_value(kMaxConnections);
  limits.mutable_max_pending_requests()->set_value(kMaxPendingRequests);
  limits.mutable_max_requests()->set_value(kMaxRequests);
  limits.mutable_max_retries()->set_value(kMaxRetries);
  limits.set_track_remaining(true);
  if (context.ca() != nullptr) use_mesh_tls(context.mesh(), destination, *cluster);

  const ServiceView* known = context.snapshot.find_service(destination.service);
  auto* http = context.draft.make<envoy::proto::HttpProtocolOptions>();
  http->mutable_explicit_http_config()->mutable_http2_protocol_options();
  context.draft.add_cluster({.role = envoy::Role::Outbound,
                             .service = destination.service,
                             .protocol = known == nullptr ? Protocol::Tcp : envoy::parse_protocol(known->protocol),
                             .shell = cluster,
                             .http = http});
}

}  // namespace

std::vector<Destination> destinations_of(const Dataplane& spec) {
  std::map<std::string, Destination> found;
  for (const Outbound& outbound : spec.networking.outbound) {
    if (outbound.service().empty()) continue;
    std::string cluster = cluster_of(outbound);
    Tags tags = outbound.tags;
    tags.erase(kMeshTag);
    found.try_emplace(cluster, Destination{cluster, outbound.service(), std::move(tags)});
  }
  std::vector<Destination> destinations;
  destinations.reserve(found.size());
  for (auto& [cluster, destination] : found) destinations.push_back(std::move(destination));
  return destinations;
}

void add_outbounds(Context& context) {
  const auto& outbounds = context.spec.networking.outbound;
  for (std::size_t i = 0; i < outbounds.size(); ++i) {
    const Outbound& outbound = outbounds[i];
    if (outbound.service().empty()) {
      context.warnings.push_back(fmt::format("networking.outbound[{}]: has no {}; it is left out", i, kServiceTag));
    } else if (!envoy::is_ip(address_of(outbound))) {
      context.warnings.push_back(
          fmt::format("networking.outbound[{}]: \"{}\" is not an IP address; it is left out", i, outbound.address));
    } else if (!context.taken.emplace(address_of(outbound), outbound.port).second) {
      context.warnings.push_back(fmt::format("networking.outbound[{}]: {} is taken already; it is left out", i,
                                             names::join_host_port(address_of(outbound), outbound.port)));
    } else {
      add_listener(context, outbound);
    }
  }
  for (const Destination& destination : destinations_of(context.spec)) add_cluster(context, destination);
}

}  // namespace mesh::build
