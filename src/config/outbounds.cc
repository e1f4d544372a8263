#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h>
#include <envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <fmt/format.h>

#include <set>

#include "config/outbound_plan.h"
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

// What statistics and virtual hosts are called by.
const std::string& name_of(const Destination& destination) {
  return destination.backend == nullptr ? destination.service : destination.cluster;
}

std::string route_of(const Destination& destination) {
  if (destination.backend == nullptr) return names::outbound_route(destination.service);
  return kri_of(*destination.backend->resource, destination.port->section);
}

envoy::Backend backend_of(const Destination& destination) {
  if (destination.backend == nullptr) return {};
  const Resource& resource = *destination.backend->resource;
  return {resource.key.kind->name, resource.key.name, destination.port->section, resource.labels};
}

// Empty: nobody knows it.
const std::string& protocol_text(const MeshSnapshot& snapshot, const Destination& destination) {
  static const std::string nobody;
  if (destination.port != nullptr) return destination.port->protocol;
  const ServiceView* known = snapshot.find_service(destination.service);
  return known == nullptr ? nobody : known->protocol;
}

envoy::proto::HttpConnectionManager* make_outbound_http(Context& context, const Destination& destination,
                                                        Protocol protocol) {
  auto* http = make_http(context, name_of(destination), Internal::PrivateNetworks);
  http->mutable_normalize_path()->set_value(true);
  auto& routes = *http->mutable_route_config();
  routes.set_name(route_of(destination));
  routes.mutable_validate_clusters()->set_value(false);
  auto& host = *routes.add_virtual_hosts();
  host.set_name(name_of(destination));
  host.add_domains("*");
  auto& route = *host.add_routes();
  route.set_name(kCatchAllRoute);
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(destination.cluster);
  // Outside nobody knows our names.
  if (destination.is_external() && has_names(destination.backend->resource->spec_as<MeshExternalService>()))
    route.mutable_route()->mutable_auto_host_rewrite()->set_value(true);
  set_retries(protocol, *route.mutable_route());
  return http;
}

envoy::Chain make_chain(Context& context, const Destination& destination, Protocol protocol, bool is_known) {
  envoy::Chain chain{.shell = context.draft.make<envoy::proto::FilterChain>()};
  if (envoy::is_http(protocol)) {
    chain.http = make_outbound_http(context, destination, protocol);
    if (protocol == Protocol::Grpc) chain.http_filters.push_back(make_grpc_statistics(context));
    return chain;
  }
  chain.tcp = context.draft.make<envoy::proto::TcpProxy>();
  chain.tcp->set_stat_prefix(names::for_statistics(name_of(destination)));
  chain.tcp->set_cluster(destination.cluster);
  if (is_known) chain.tcp->mutable_max_connect_attempts()->set_value(kConnectAttempts);
  return chain;
}

void add_listener(Context& context, const PlannedOutbound& outbound) {
  const Destination& destination = outbound.destination;
  const std::string& text = protocol_text(context.snapshot, destination);
  const Protocol protocol = envoy::parse_protocol(text);
  auto* listener = context.draft.make<envoy::proto::Listener>();
  listener->set_name(names::outbound_listener(outbound.address, outbound.port));
  listener->set_traffic_direction(::envoy::config::core::v3::OUTBOUND);
  envoy::set_address(outbound.address, outbound.port, *listener->mutable_address());
  set_tags(*outbound.tags, *listener);
  context.draft.add_listener({.role = envoy::Role::Outbound,
                              .service = destination.service,
                              .backend = backend_of(destination),
                              .protocol = protocol,
                              .address = outbound.address,
                              .port = outbound.port,
                              .shell = listener,
                              .chains = {make_chain(context, destination, protocol, !text.empty())}});
}

constexpr std::size_t kOriginSize = 256;  // of most

// With its size, so that no two lists of parts are the same text.
void append(std::string_view part, std::string& out) {
  const std::size_t size = part.size();
  out.append(reinterpret_cast<const char*>(&size), sizeof(size));
  out += part;
}

void append(const Tags& tags, std::string& out) {
  for (const auto& [tag, value] : tags) {
    append(tag, out);
    append(value, out);
  }
  append("", out);  // no tag has such a name
}

void append(const MeshSnapshot& snapshot, const Destination& destination, std::string& out) {
  append(destination.cluster, out);
  append(destination.service, out);
  append(protocol_text(snapshot, destination), out);
  append(*destination.tags, out);
}

// Between sidecars it is always HTTP/2, whatever the applications speak.
void add_cluster(Context& context, const Destination& destination) {
  auto* cluster = context.draft.make<envoy::proto::Cluster>();
  cluster->set_name(destination.cluster);
  cluster->set_type(::envoy::config::cluster::v3::Cluster::EDS);
  auto& source = *cluster->mutable_eds_cluster_config()->mutable_eds_config();
  source.mutable_ads();
  source.set_resource_api_version(::envoy::config::core::v3::V3);
  set_limits(*cluster);
  if (context.ca() != nullptr) use_mesh_tls(context.mesh(), destination, *cluster);

  auto* http = context.draft.make<envoy::proto::HttpProtocolOptions>();
  http->mutable_explicit_http_config()->mutable_http2_protocol_options();
  context.draft.add_cluster({.role = envoy::Role::Outbound,
                             .service = destination.service,
                             .backend = backend_of(destination),
                             .protocol = envoy::parse_protocol(protocol_text(context.snapshot, destination)),
                             .shell = cluster,
                             .http = http});
}

}  // namespace

void set_limits(envoy::proto::Cluster& cluster) {
  envoy::set_duration(cluster.mutable_connect_timeout(), 5s);
  auto& limits = *cluster.mutable_circuit_breakers()->add_thresholds();
  limits.mutable_max_connections()->set_value(kMaxConnections);
  limits.mutable_max_pending_requests()->set_value(kMaxPendingRequests);
  limits.mutable_max_requests()->set_value(kMaxRequests);
  limits.mutable_max_retries()->set_value(kMaxRetries);
  limits.set_track_remaining(true);
}

std::string origin_of(const MeshSnapshot& snapshot, const Destination& destination) {
  std::string out;
  out.reserve(kOriginSize);
  append(snapshot, destination, out);
  return out;
}

std::string origin_of(const MeshSnapshot& snapshot, const PlannedOutbound& outbound) {
  std::string out;
  out.reserve(kOriginSize);
  append(outbound.address, out);
  append(std::to_string(outbound.port), out);
  append(*outbound.tags, out);
  append(snapshot, outbound.destination, out);
  return out;
}

void add_outbounds(Context& context, const std::vector<const PlannedOutbound*>& outbounds,
                   const Destinations& destinations) {
  std::set<std::string> missing;
  for (const Destination* destination : destinations) {
    if (!destination->is_external())
      add_cluster(context, *destination);
    else if (!add_external_cluster(context, *destination, backend_of(*destination)))
      missing.insert(destination->cluster);
  }
  for (const PlannedOutbound* outbound : outbounds)
    if (!missing.contains(outbound->destination.cluster)) add_listener(context, *outbound);
}

}  // namespace mesh::build
