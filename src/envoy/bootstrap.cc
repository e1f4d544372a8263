#include "envoy/bootstrap.h"

#include <boost/json.hpp>
#include <envoy/config/bootstrap/v3/bootstrap.pb.h>
#include <envoy/config/grpc_credential/v3/file_based_metadata.pb.h>
#include <envoy/extensions/access_loggers/file/v3/file.pb.h>
#include <envoy/extensions/regex_engines/v3/google_re2.pb.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "envoy/address.h"
#include "envoy/bootstrap_form.h"
#include "envoy/names.h"
#include "envoy/pack.h"

namespace mesh::envoy {
namespace {

namespace core = ::envoy::config::core::v3;
namespace json = boost::json;
namespace tls = ::envoy::extensions::transport_sockets::tls::v3;
using ::envoy::config::bootstrap::v3::Bootstrap;
using ::envoy::config::cluster::v3::Cluster;

constexpr const char* kControlPlaneContext = "cp_validation_ctx";

void fill_admin(const BootstrapSpec& spec, ::envoy::config::bootstrap::v3::Admin& admin) {
  if (!spec.admin_socket.empty()) {
    auto& pipe = *admin.mutable_address()->mutable_pipe();
    pipe.set_path(spec.admin_socket);
    pipe.set_mode(0600);
  } else {
    set_address(spec.admin_address, spec.admin_port, *admin.mutable_address());
  }
  if (!spec.admin_access_log.empty()) {
    auto& log = *admin.add_access_log();
    log.set_name("envoy.access_loggers.file");
    ::envoy::extensions::access_loggers::file::v3::FileAccessLog file;
    file.set_path(spec.admin_access_log);
    pack_any(file, *log.mutable_typed_config());
  }
}

// The credential is read from the file for each new stream and whenever the file changes; only Google's client can.
void fill_google_grpc(const BootstrapSpec& spec, core::GrpcService::GoogleGrpc& grpc) {
  constexpr const char* kFileCredential = "envoy.grpc_credentials.file_based_metadata";
  constexpr int kLargestMessage = 16 << 20;  // the default of 4 MiB ends streams of proxies with very many services
  grpc.set_target_uri(names::join_host_port(spec.control_plane_host, spec.control_plane_port));
  grpc.set_stat_prefix("ads");
  grpc.set_credentials_factory_name(kFileCredential);
  auto& plugin = *grpc.add_call_credentials()->mutable_from_plugin();
  plugin.set_name(kFileCredential);
  ::envoy::config::grpc_credential::v3::FileBasedMetadataConfig file;
  file.mutable_secret_data()->set_filename(spec.token_path);
  pack_any(file, *plugin.mutable_typed_config());
  grpc.mutable_channel_credentials()->mutable_ssl_credentials()->mutable_root_certs()->set_inline_bytes(spec.ca_pem);
  auto& arguments = *grpc.mutable_channel_args()->mutable_args();
  arguments["grpc.keepalive_time_ms"].set_int_value(10'000);
  arguments["grpc.keepalive_timeout_ms"].set_int_value(30'000);
  arguments["grpc.http2.max_pings_without_data"].set_int_value(0);
  arguments["grpc.max_receive_message_length"].set_int_value(kLargestMessage);
  // A control plane that comes back, or moves to another address, is found within seconds and not within minutes.
  arguments["grpc.initial_reconnect_backoff_ms"].set_int_value(500);
  arguments["grpc.min_reconnect_backoff_ms"].set_int_value(5'000);  // also the time that a connect may take
  arguments["grpc.max_reconnect_backoff_ms"].set_int_value(5'000);
  arguments["grpc.dns_min_time_between_resolutions"].set_int_value(1'000);
  arguments["grpc.enable_http_proxy"].set_int_value(0);
}

void fill_control_plane_source(const BootstrapSpec& spec, bool delta, core::ApiConfigSource& source) {
  source.set_api_type(delta ? core::ApiConfigSource::DELTA_GRPC : core::ApiConfigSource::GRPC);
  source.set_transport_api_version(core::V3);
  source.set_set_node_on_first_message_only(true);
  auto& service = *source.add_grpc_services();
  if (!spec.discovery_socket.empty()) {
    auto& carried = *service.mutable_envoy_grpc();
    carried.set_cluster_name(std::string(names::kAdsCluster));
    // The carrier is near: a control plane that comes back is found within seconds.
    auto& pauses = *carried.mutable_retry_policy()->mutable_retry_back_off();
    set_duration(pauses.mutable_base_interval(), std::chrono::milliseconds(500));
    set_duration(pauses.mutable_max_interval(), std::chrono::seconds(5));
    return;
  }
  if (!spec.token_path.empty()) {
    fill_google_grpc(spec, *service.mutable_google_grpc());
    return;
  }
  service.mutable_envoy_grpc()->set_cluster_name(std::string(names::kAdsCluster));
  if (!spec.token.empty()) {
    auto& header = *service.add_initial_metadata();
    header.set_key("authorization");
    header.set_value(spec.token.reveal());
  }
}

void fill_from_ads(core::ConfigSource& source) {
  source.mutable_ads();
  source.set_resource_api_version(core::V3);
  set_duration(source.mutable_initial_fetch_timeout(), Duration::zero());  // wait as long as it takes
}

Cluster& add_http2_cluster(const BootstrapSpec& spec, std::string_view name, Bootstrap& bootstrap) {
  auto& cluster = *bootstrap.mutable_static_resources()->add_clusters();
  cluster.set_name(std::string(name));
  set_duration(cluster.mutable_connect_timeout(), spec.connect_timeout);
  cluster.mutable_load_assignment()->set_cluster_name(std::string(name));
  auto& keepalive = *cluster.mutable_upstream_connection_options()->mutable_tcp_keepalive();
  keepalive.mutable_keepalive_probes()->set_value(3);
  keepalive.mutable_keepalive_time()->set_value(10);
  keepalive.mutable_keepalive_interval()->set_value(10);
  ::envoy::extensions::upstreams::http::v3::HttpProtocolOptions http2;
  http2.mutable_explicit_http_config()->mutable_http2_protocol_options();
  pack_any(
      http2,
      (*cluster.mutable_typed_extension_protocol_options())["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
  return cluster;
}

core::Address& only_address(Cluster& cluster) {
  return *cluster.mutable_load_assignment()->add_endpoints()->add_lb_endpoints()->mutable_endpoint()->mutable_address();
}

void add_control_plane_cluster(const BootstrapSpec& spec, Bootstrap& bootstrap) {
  auto& cluster = add_http2_cluster(spec, names::kAdsCluster, bootstrap);
  if (is_ip(spec.control_plane_host)) {
    cluster.set_type(Cluster::STATIC);
  } else {
    cluster.set_type(Cluster::STRICT_DNS);
    cluster.set_dns_lookup_family(Cluster::V4_PREFERRED);
  }
  set_address(spec.control_plane_host, spec.control_plane_port, only_address(cluster));

  tls::UpstreamTlsContext context;
  context.set_sni(spec.control_plane_host);
  auto& common = *context.mutable_common_tls_context();
  common.mutable_tls_params()->set_tls_minimum_protocol_version(tls::TlsParameters::TLSv1_2);
  common.mutable_validation_context_sds_secret_config()->set_name(kControlPlaneContext);
  cluster.mutable_transport_socket()->set_name("envoy.transport_sockets.tls");
  pack_any(context, *cluster.mutable_transport_socket()->mutable_typed_config());
}

void add_control_plane_ca(const BootstrapSpec& spec, Bootstrap& bootstrap) {
  auto& secret = *bootstrap.mutable_static_resources()->add_secrets();
  secret.set_name(kControlPlaneContext);
  auto& context = *secret.mutable_validation_context();
  context.mutable_trusted_ca()->set_inline_bytes(spec.ca_pem);
  for (const auto type : {tls::SubjectAltNameMatcher::DNS, tls::SubjectAltNameMatcher::IP_ADDRESS}) {
    auto& matcher = *context.add_match_typed_subject_alt_names();
    matcher.set_san_type(type);
    matcher.mutable_matcher()->set_exact(spec.control_plane_host);
  }
}

// How statistics get their tags, as dashboards expect it.
void fill_statistics(::envoy::config::metrics::v3::StatsConfig& stats) {
  static constexpr std::pair<const char*, const char*> kTags[] = {
      {"name", R"(^grpc\.((.+)\.))"},
      {"status", R"(^grpc.*streams_closed(_([0-9]+)))"},
      {"kafka_name", R"(^kafka(\.(\S*[0-9]))\.)"},
      {"kafka_type", R"(^kafka\..*\.(.*?(?=_duration|$)))"},
      {"worker", R"((worker_([0-9]+)\.))"},
      {"listener", R"(((.+?)\.)rbac\.)"},
  };
  for (const auto& [tag, regex] : kTags) {
    auto& specifier = *stats.add_stats_tags();
    specifier.set_tag_name(tag);
    specifier.set_regex(regex);
  }
}

void fill_runtime(::envoy::config::bootstrap::v3::LayeredRuntime& runtime) {
  auto& layer = *runtime.add_layers();
  layer.set_name("kuma");
  auto& values = *layer.mutable_static_layer()->mutable_fields();
  values["re2.max_program_size.error_level"].set_number_value(4294967295.0);
  values["re2.max_program_size.warn_level"].set_number_value(1000);
}

Result<std::string> file_for(const BootstrapSpec& spec) {
  Bootstrap bootstrap;
  auto& node = *bootstrap.mutable_node();
  node.set_id(place_of(BootstrapSlot::Id));
  node.set_cluster(place_of(BootstrapSlot::Service));
  (*node.mutable_metadata()->mutable_fields())[place_of(BootstrapSlot::Metadata)].set_bool_value(true);
  if (spec.admin_port != 0) fill_admin(spec, *bootstrap.mutable_admin());

  auto& dynamic = *bootstrap.mutable_dynamic_resources();
  fill_from_ads(*dynamic.mutable_lds_config());
  fill_from_ads(*dynamic.mutable_cds_config());
  fill_control_plane_source(spec, spec.delta, *dynamic.mutable_ads_config());
  if (spec.health_checks) fill_control_plane_source(spec, false, *bootstrap.mutable_hds_config());

  if (!spec.access_log_socket.empty()) {
    auto& sink = add_http2_cluster(spec, names::kAccessLogSink, bootstrap);
    sink.set_type(Cluster::STATIC);
    only_address(sink).mutable_pipe()->set_path(spec.access_log_socket);
  }
  if (!spec.discovery_socket.empty()) {
    auto& carrier = add_http2_cluster(spec, names::kAdsCluster, bootstrap);
    carrier.set_type(Cluster::STATIC);
    carrier.clear_upstream_connection_options();  // keepalive is TCP's
    only_address(carrier).mutable_pipe()->set_path(spec.discovery_socket);
  } else {
    if (spec.token_path.empty()) add_control_plane_cluster(spec, bootstrap);
    add_control_plane_ca(spec, bootstrap);
  }

  auto& regex = *bootstrap.mutable_default_regex_engine();
  regex.set_name("envoy.regex_engines.google_re2");
  pack_any(::envoy::extensions::regex_engines::v3::GoogleRE2(), *regex.mutable_typed_config());
  fill_runtime(*bootstrap.mutable_layered_runtime());
  fill_statistics(*bootstrap.mutable_stats_config());
  return to_json(bootstrap);
}

// Writing a file from messages costs a hundred times what filling in a form does, and when many proxies start at once
// it would be what the control plane does most.
Result<BootstrapForm> form_of(const BootstrapSpec& spec) {
  BootstrapSpec blank = spec;
  const auto clear = [](std::string& text, BootstrapSlot slot) {
    if (!text.empty()) text = place_of(slot);
  };
  if (!spec.token.empty()) blank.token = Secret(place_of(BootstrapSlot::Token));
  clear(blank.token_path, BootstrapSlot::TokenPath);
  clear(blank.admin_socket, BootstrapSlot::AdminSocket);
  clear(blank.access_log_socket, BootstrapSlot::LogSocket);
  clear(blank.discovery_socket, BootstrapSlot::DiscoverySocket);
  MESH_TRY(const std::string file, file_for(blank));
  return BootstrapForm(file);
}

// All that a form depends on. Texts of slots count only as being there or not.
std::string key_of(const BootstrapSpec& spec) {
  return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}", spec.admin_address.size(), spec.admin_address,
                     spec.admin_port, spec.admin_access_log.size(), spec.admin_access_log,
                     spec.control_plane_host.size(), spec.control_plane_host, spec.control_plane_port,
                     spec.connect_timeout.count(), spec.delta, spec.health_checks, spec.token.empty(),
                     spec.token_path.empty() + 2 * spec.admin_socket.empty() + 4 * spec.access_log_socket.empty() +
                         8 * spec.discovery_socket.empty(),
                     spec.ca_pem);
}

Result<std::shared_ptr<const BootstrapForm>> form_for(const BootstrapSpec& spec) {
  constexpr std::size_t kMost = 32;  // who asks for more kinds than that pays for them
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const BootstrapForm>> known;
  std::string key = key_of(spec);
  {
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(key); found != known.end()) return found->second;
  }
  MESH_TRY(BootstrapForm form, form_of(spec));
  auto made = std::make_shared<const BootstrapForm>(std::move(form));
  const std::lock_guard lock(mutex);
  if (known.size() >= kMost) known.clear();
  known[std::move(key)] = made;
  return made;
}

Result<std::string> metadata_of(const BootstrapSpec& spec) {
  json::error_code failed;
  json::value metadata = json::parse(spec.metadata_json, failed);
  if (failed) return invalid("metadata", fmt::format("is not a JSON object: {}", failed.message()));
  json::object* fields = metadata.if_object();
  if (fields == nullptr) return invalid("metadata", "is not a JSON object");
  (*fields)["dataplane.proxyType"] = spec.proxy_type;
  (*fields)["features"] = json::array(spec.features.begin(), spec.features.end());
  if (spec.admin_port != 0) {
    (*fields)["dataplane.admin.address"] = spec.admin_address;
    (*fields)["dataplane.admin.port"] = std::to_string(spec.admin_port);
    if (!spec.admin_socket.empty()) (*fields)["dataplane.admin.socketPath"] = spec.admin_socket;
  }
  return json::serialize(metadata);
}

}  // namespace

Result<std::string> build_bootstrap(const BootstrapSpec& spec) {
  if (spec.ca_pem.empty()) return invalid("ca", "the certificate authority of the control plane is not known");
  for (const std::string* text : {&spec.admin_address, &spec.admin_access_log, &spec.control_plane_host}) {
    if (has_slot_sign(*text)) return invalid("bootstrap", "a name or path has a control character");
  }
  MESH_TRY(const std::string metadata, metadata_of(spec));
  MESH_TRY(const auto form, form_for(spec));
  return form->fill(spec, metadata);
}

}  // namespace mesh::envoy
