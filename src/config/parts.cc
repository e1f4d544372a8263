#include "config/parts.h"

#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/http/grpc_stats/v3/config.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb.h>
#include <fmt/format.h>

#include <mutex>
#include <unordered_map>

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

// Own certificate and the mesh's CA, both by name; returns where it stands which SPIFFE IDs the peer may have.
tls::CertificateValidationContext& identify(const std::string& mesh, tls::CommonTlsContext& context) {
  from_ads(names::identity_secret(mesh), *context.add_tls_certificate_sds_secret_configs());
  auto& validation = *context.mutable_combined_validation_context();
  from_ads(names::ca_secret(mesh), *validation.mutable_validation_context_sds_secret_config());
  return *validation.mutable_default_validation_context();
}

// Packed once, for all proxies: a TLS context is the same for everybody who calls, or is called, in one mesh. What was
// made is known by what it was made from. Thread-safe.
class PackedContexts {
 public:
  template <class Make>
  Bytes get(const std::string& made_from, Make make) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = known_.find(made_from); found != known_.end()) return found->second;
    }
    Bytes made = make_bytes(envoy::serialize(make()));
    const std::lock_guard lock(mutex_);
    if (known_.size() >= kMost) known_.clear();  // of services long gone, too
    known_.emplace(made_from, made);
    return made;
  }

 private:
  static constexpr std::size_t kMost = 8192;
  std::mutex mutex_;
  std::unordered_map<std::string, Bytes> known_;
};

template <class Context>
void set_transport(const Bytes& packed, ::envoy::config::core::v3::TransportSocket& socket) {
  static const std::string type_url = "type.googleapis.com/" + Context::descriptor()->full_name();
  socket.set_name("envoy.transport_sockets.tls");
  socket.mutable_typed_config()->set_type_url(type_url);
  socket.mutable_typed_config()->set_value(*packed);
}

tls::DownstreamTlsContext make_downstream(const std::string& mesh) {
  tls::DownstreamTlsContext context;
  auto& name = *identify(mesh, *context.mutable_common_tls_context()).add_match_typed_subject_alt_names();
  name.set_san_type(tls::SubjectAltNameMatcher::URI);
  name.mutable_matcher()->set_prefix(fmt::format("spiffe://{}/", mesh));
  context.mutable_require_client_certificate()->set_value(true);
  return context;
}

struct UpstreamTls {
  std::vector<std::string> identities;  // SPIFFE IDs: it must have one of them
  std::string sni;
};

UpstreamTls upstream_tls(const std::string& mesh, const Destination& destination) {
  UpstreamTls out;
  const BackendView* backend = destination.backend.get();
  if (backend == nullptr) {
    Tags tags = *destination.tags;
    tags.erase(kServiceTag);
    tags["mesh"] = mesh;
    out.identities = {names::spiffe_id(mesh, destination.service)};
    out.sni = names::sni(destination.service, tags);
    return out;
  }
  for (const std::string& service : backend->identities) out.identities.push_back(names::spiffe_id(mesh, service));
  const auto display = backend->resource->labels.find("kuma.io/display-name");
  const bool is_service = &backend->kind() == &kMeshServiceKind;
  out.sni = names::resource_sni(display == backend->resource->labels.end() ? backend->name() : display->second, mesh,
                                destination.port->port, is_service ? "ms" : "mzms");
  return out;
}

tls::UpstreamTlsContext make_upstream(const std::string& mesh, const UpstreamTls& wanted) {
  tls::UpstreamTlsContext context;
  auto& common = *context.mutable_common_tls_context();
  auto& names = *identify(mesh, common).mutable_match_typed_subject_alt_names();
  for (const std::string& identity : wanted.identities) {
    auto& name = *names.Add();
    name.set_san_type(tls::SubjectAltNameMatcher::URI);
    name.mutable_matcher()->set_exact(identity);
  }
  common.add_alpn_protocols(kMeshAlpn);
  context.set_sni(wanted.sni);
  return context;
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
  static PackedContexts contexts;
  set_transport<tls::DownstreamTlsContext>(contexts.get(mesh, [&] { return make_downstream(mesh); }),
                                           *chain.mutable_transport_socket());
}

void use_mesh_tls(const std::string& mesh, const Destination& destination, envoy::proto::Cluster& cluster) {
  static PackedContexts contexts;
  const UpstreamTls wanted = upstream_tls(mesh, destination);
  std::string made_from = mesh + '\0' + wanted.sni;
  for (const std::string& identity : wanted.identities) made_from += '\0' + identity;
  set_transport<tls::UpstreamTlsContext>(contexts.get(made_from, [&] { return make_upstream(mesh, wanted); }),
                                         *cluster.mutable_transport_socket());
}

}  // namespace mesh::build
