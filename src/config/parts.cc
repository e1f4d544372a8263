#include "config/parts.h"

#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/http/grpc_stats/v3/config.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb.h>
#include <fmt/format.h>

#include "envoy/address.h"
#include "envoy/names.h"
#include "envoy/pack.h"

namespace mesh::build {
namespace {

namespace tls = ::envoy::extensions::transport_sockets::tls::v3;
namespace names = envoy::names;

struct Network {
  const char* prefix;
  std::uint32_t length;
};
constexpr Network kPrivateNetworks[] = {
    {"10.0.0.0", 8}, {"192.168.0.0", 16}, {"172.16.0.0", 12}, {"fc00::", 7}, {"fd00::", 8}};
constexpr Network kLoopback[] = {{"127.0.0.1", 32}, {"::1", 128}};

void from_ads(const std::string& secret, tls::SdsSecretConfig& config) {
  config.set_name(secret);
  config.mutable_sds_config()->mutable_ads();
  config.mutable_sds_config()->set_resource_api_version(::envoy::config::core::v3::V3);
}

// Own certificate and the mesh's CA, both by name; returns what the peer's SPIFFE ID has to match.
::envoy::type::matcher::v3::StringMatcher& identify(const std::string& mesh, tls::CommonTlsContext& context) {
  from_ads(names::identity_secret(mesh), *context.add_tls_certificate_sds_secret_configs());
  auto& validation = *context.mutable_combined_validation_context();
  from_ads(names::ca_secret(mesh), *validation.mutable_validation_context_sds_secret_config());
  auto& matcher = *validation.mutable_default_validation_context()->add_match_typed_subject_alt_names();
  matcher.set_san_type(tls::SubjectAltNameMatcher::URI);
  return *matcher.mutable_matcher();
}

void set_transport(const google::protobuf::Message& context, ::envoy::config::core::v3::TransportSocket& socket) {
  socket.set_name("envoy.transport_sockets.tls");
  envoy::pack_any(context, *socket.mutable_typed_config());
}

envoy::proto::Cluster* make_cluster(Context& context, const std::string& name) {
  auto* cluster = context.draft.make<envoy::proto::Cluster>();
  cluster->set_name(name);
  const std::string statistics = names::for_statistics(name);
  if (statistics != name) cluster->set_alt_stat_name(statistics);
  cluster->set_type(::envoy::config::cluster::v3::Cluster::STATIC);
  envoy::set_duration(cluster->mutable_connect_timeout(), std::chrono::seconds(5));
  cluster->mutable_load_assignment()->set_cluster_name(name);
  cluster->mutable_circuit_breakers()->add_thresholds()->set_track_remaining(true);
  return cluster;
}

::envoy::config::core::v3::Address& only_address(envoy::proto::Cluster& cluster) {
  return *cluster.mutable_load_assignment()->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address();
}

}  // namespace

envoy::proto::HttpConnectionManager* make_http(Context& context, const std::string& statistics, Internal internal) {
  auto* http = context.draft.make<envoy::proto::HttpConnectionManager>();
  http->set_stat_prefix(names::for_statistics(statistics));
  const auto add = [&](const Network& network) {
    if (!context.traits.ipv6 && envoy::is_ipv6(network.prefix)) return;
    auto& range = *http->mutable_internal_address_config()->add_cidr_ranges();
    range.set_address_prefix(network.prefix);
    range.mutable_prefix_len()->set_value(network.length);
  };
  if (internal == Internal::PrivateNetworks) {
    for (const Network& network : kPrivateNetworks) add(network);
  }
  for (const Network& network : kLoopback) add(network);
  return http;
}

envoy::Filter make_grpc_statistics(Context& context) {
  auto* config = context.draft.make<::envoy::extensions::filters::http::grpc_stats::v3::FilterConfig>();
  config->set_emit_filter_state(true);
  return {"envoy.filters.http.grpc_stats", config};
}

void set_tags(const Tags& tags, envoy::proto::Listener& listener) {
  if (tags.empty()) return;
  auto& fields = *(*listener.mutable_metadata()->mutable_filter_metadata())["io.kuma.tags"].mutable_fields();
  for (const auto& [tag, value] : tags) fields[tag].set_string_value(value);
}

envoy::proto::Cluster* make_static_cluster(Context& context, const std::string& name, const std::string& ip,
                                           std::uint32_t port) {
  auto* cluster = make_cluster(context, name);
  envoy::set_address(ip, port, only_address(*cluster));
  return cluster;
}

envoy::proto::Cluster* make_pipe_cluster(Context& context, const std::string& name, const std::string& path) {
  auto* cluster = make_cluster(context, name);
  only_address(*cluster).mutable_pipe()->set_path(path);
  return cluster;
}

void accept_mesh_tls(const std::string& mesh, envoy::proto::FilterChain& chain) {
  tls::DownstreamTlsContext context;
  identify(mesh, *context.mutable_common_tls_context()).set_prefix(fmt::format("spiffe://{}/", mesh));
  context.mutable_require_client_certificate()->set_value(true);
  set_transport(context, *chain.mutable_transport_socket());
}

void use_mesh_tls(const std::string& mesh, const Destination& destination, envoy::proto::Cluster& cluster) {
  tls::UpstreamTlsContext context;
  auto& common = *context.mutable_common_tls_context();
  identify(mesh, common).set_exact(names::spiffe_id(mesh, destination.service));
  common.add_alpn_protocols(kMeshAlpn);
  Tags tags = destination.tags;
  tags.erase(kServiceTag);
  tags["mesh"] = mesh;
  context.set_sni(names::sni(destination.service, tags));
  set_transport(context, *cluster.mutable_transport_socket());
}

}  // namespace mesh::build
