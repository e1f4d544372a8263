#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb.h>

#include <algorithm>
#include <unordered_map>

#include "load/messages.h"

namespace mesh::load {

namespace {

using ::envoy::config::cluster::v3::Cluster;
using ::envoy::config::core::v3::TransportSocket;
using ::envoy::config::listener::v3::FilterChain;
using ::envoy::config::listener::v3::Listener;
using ::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using ::envoy::extensions::transport_sockets::tls::v3::CommonTlsContext;
using ::envoy::extensions::transport_sockets::tls::v3::DownstreamTlsContext;
using ::envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext;

void add_secrets(const CommonTlsContext& tls, References& out) {
  for (const auto& certificate : tls.tls_certificate_sds_secret_configs()) out.secrets.push_back(certificate.name());
  if (tls.has_validation_context_sds_secret_config())
    out.secrets.push_back(tls.validation_context_sds_secret_config().name());
  if (tls.combined_validation_context().has_validation_context_sds_secret_config())
    out.secrets.push_back(tls.combined_validation_context().validation_context_sds_secret_config().name());
}

void add_socket(const TransportSocket& socket, References& out) {
  UpstreamTlsContext upstream;
  DownstreamTlsContext downstream;
  if (socket.typed_config().Is<UpstreamTlsContext>() && socket.typed_config().UnpackTo(&upstream))
    add_secrets(upstream.common_tls_context(), out);
  if (socket.typed_config().Is<DownstreamTlsContext>() && socket.typed_config().UnpackTo(&downstream))
    add_secrets(downstream.common_tls_context(), out);
}

void add_chain(const FilterChain& chain, References& out) {
  add_socket(chain.transport_socket(), out);
  for (const auto& filter : chain.filters()) {
    HttpConnectionManager http;
    if (filter.typed_config().Is<HttpConnectionManager>() && filter.typed_config().UnpackTo(&http) && http.has_rds())
      out.routes.push_back(http.rds().route_config_name());
  }
}

References read_cluster(std::string_view body) {
  Cluster cluster;
  References out;
  if (!cluster.ParseFromArray(body.data(), static_cast<int>(body.size()))) return out;
  out.wants_endpoints = cluster.type() == Cluster::EDS;
  add_socket(cluster.transport_socket(), out);
  for (const auto& match : cluster.transport_socket_matches()) add_socket(match.transport_socket(), out);
  return out;
}

References read_listener(std::string_view body) {
  Listener listener;
  References out;
  if (!listener.ParseFromArray(body.data(), static_cast<int>(body.size()))) return out;
  for (const FilterChain& chain : listener.filter_chains()) add_chain(chain, out);
  if (listener.has_default_filter_chain()) add_chain(listener.default_filter_chain(), out);
  return out;
}

}  // namespace

const References& references_of(XdsType type, std::string_view body, std::uint64_t hash) {
  static std::unordered_map<std::uint64_t, References> known;  // the loop has one thread; entries stay, pointers too
  const auto found = known.find(hash);
  if (found != known.end()) return found->second;
  References made = type == XdsType::Cluster ? read_cluster(body) : read_listener(body);
  std::sort(made.secrets.begin(), made.secrets.end());
  made.secrets.erase(std::unique(made.secrets.begin(), made.secrets.end()), made.secrets.end());
  return known.emplace(hash, std::move(made)).first->second;
}

}  // namespace mesh::load
