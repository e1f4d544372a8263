#include "cp/room_settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/files.h"
#include "base/log.h"
#include "dpserver/server_keys.h"
#include "policies/all.h"
#include "settings/name_ranges.h"

namespace mesh {
namespace {

ProxyAuthentication proxy_authentication(const std::string& type) {
  if (type == "none") return ProxyAuthentication::None;
  return type == "aws-iam" ? ProxyAuthentication::AwsIam : ProxyAuthentication::Token;
}

Allowed allowed(const settings::AdminList& list) { return {list.users, list.groups}; }
Allowed allowed(const settings::ViewerList& list) { return {list.users, list.groups}; }

wire::TlsVersion tls_version(const std::string& name) {
  return name == "TLSv1_3" ? wire::TlsVersion::Tls13 : wire::TlsVersion::Tls12;
}

std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ":") + part;
  return out;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

Result<TokenTrust> token_trust(const settings::TokenValidator& validator) {
  TokenTrust out;
  out.use_secrets = validator.use_secrets;
  for (const settings::PublicKey& key : validator.public_keys) {
    TrustedPublicKey trusted{key.kid, key.mesh, key.key};
    if (!key.key_file.empty()) {
      MESH_TRY(trusted.pem, read_file(key.key_file));
    }
    out.public_keys.push_back(std::move(trusted));
  }
  return out;
}

ServerKeyFiles api_key_files(const ControlPlaneSettings& settings) {
  const auto& https = settings.api_server.https;
  return {https.tls_cert_file, https.tls_key_file, settings.general.work_dir, {host_name()}};
}

ServerKeyFiles diagnostics_key_files(const ControlPlaneSettings& settings) {
  return {settings.diagnostics.tls_cert_file, settings.diagnostics.tls_key_file, settings.general.work_dir, {}};
}

// All certificates of a folder, or of a file.
Result<std::string> certificates_in(const std::string& file, const std::string& folder) {
  std::string out;
  if (!file.empty()) {
    MESH_TRY(out, read_file(file));
  }
  if (folder.empty()) return out;
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator(folder, problem)) {
    if (entry.path().extension() != ".pem") continue;
    MESH_TRY(const std::string pem, read_file(entry.path()));
    out += "\n" + pem;
  }
  if (problem) return invalid("apiServer.auth.clientCertsDir", folder + ": " + problem.message());
  return out;
}

}  // namespace

AccessSettings access_settings(const ControlPlaneSettings& settings) {
  const settings::StaticAccess& access = settings.access.static_;
  AccessSettings out;
  out.admin_resources = allowed(access.admin_resources);
  out.generate_dp_token = allowed(access.generate_dp_token);
  out.generate_user_token = allowed(access.generate_user_token);
  out.generate_zone_token = allowed(access.generate_zone_token);
  out.view_config_dump = allowed(access.view_config_dump);
  out.view_stats = allowed(access.view_stats);
  out.view_clusters = allowed(access.view_clusters);
  out.control_plane_metadata = allowed(access.control_plane_metadata);
  return out;
}

AdmissionSettings admission_settings(const ControlPlaneSettings& settings) {
  AdmissionSettings out;
  out.zone = settings.multizone.zone.name;
  out.unsafe_delete = settings.store.unsafe_delete;
  out.access = access_settings(settings);
  out.default_policies = default_policies;
  return out;
}

BootstrapSettings bootstrap_settings(const ControlPlaneSettings& settings) {
  BootstrapSettings out;
  out.zone = settings.multizone.zone.name;
  out.create_default_mesh = !settings.defaults.skip_mesh_creation;
  out.create_admin_token = settings.api_server.authn.tokens.bootstrap_admin_token;
  out.create_hostname_generators = !settings.defaults.skip_hostname_generators;
  return out;
}

PipelineSettings pipeline_settings(const ControlPlaneSettings& settings, const std::string& instance_id) {
  PipelineSettings out;
  out.writer.instance_id = instance_id;
  const settings::LivenessSection& liveness = settings.liveness;
  out.writer.liveness = {liveness.both_gone, liveness.one_gone, liveness.restart, liveness.floor_window,
                         liveness.unprobed};
  // Connections that we end because they are old come back after a pause of their own choice, and both may at once.
  if (settings.dp_server.max_connection_age > Duration::zero())
    out.writer.liveness.both_gone = std::max(liveness.both_gone, liveness.one_gone);
  return out;
}

InsightWriterSettings insight_settings(const ControlPlaneSettings& settings, const std::string& instance_id) {
  InsightWriterSettings out;
  out.book.instance_id = instance_id;
  out.book.max_subscriptions = static_cast<std::size_t>(std::max(1, settings.metrics.dataplane.subscription_limit));
  out.later = settings.xds_server.dataplane_status_flush_interval;
  out.soon = std::min<Duration>(out.soon, out.later);
  out.leftovers = settings.liveness.restart + std::chrono::seconds(10);
  return out;
}

OfflineSettings offline_settings(const ControlPlaneSettings& settings) {
  OfflineSettings out;
  out.after_silence = settings.xds_server.dataplane_deregistration_delay;
  out.after_goodbye = std::min(out.after_goodbye, out.after_silence);
  out.after_all = settings.runtime.universal.dataplane_cleanup_age;
  return out;
}

Result<NamingSettings> naming_settings(const ControlPlaneSettings& settings) {
  std::vector<std::string> warnings;
  MESH_TRY(const NameRanges ranges, read_name_ranges(settings, warnings));
  for (const std::string& warning : warnings) MESH_LOG_WARN("cp", "{}", warning);
  NamingSettings out;
  out.zone = settings.multizone.zone.name;
  out.ranges = {ranges.service, ranges.mesh_service, ranges.mesh_external_service, ranges.mesh_multi_zone_service};
  out.service_vips = settings.dns_server.service_vip_enabled;
  out.quarantine = settings.ipam.quarantine;
  out.deletion_grace = settings.mesh_service.deletion_grace_period;
  return out;
}

ApiSettings api_settings(const ControlPlaneSettings& settings, const std::string& instance_id) {
  ApiSettings out;
  out.instance_id = instance_id;
  out.hostname = host_name();
  out.zone = settings.multizone.zone.name;
  out.dns_domain = settings.dns_server.domain;
  out.service_vip_port = settings.dns_server.service_vip_port;
  out.read_only = settings.api_server.read_only;
  out.localhost_is_admin = settings.api_server.authn.localhost_is_admin;
  // A certificate alone makes nobody an admin: only when the settings say that this is how users prove who they are.
  out.accept_client_certificates = settings.api_server.authn.type != "tokens";
  out.enable_token_issuer = settings.api_server.authn.tokens.enable_issuer;
  out.cors_allowed_domains = settings.api_server.cors_allowed_domains;
  out.access = access_settings(settings);
  out.config_json = [settings] { return config_json(settings); };
  return out;
}

Result<TokenTrusts> token_trusts(const ControlPlaneSettings& settings) {
  TokenTrusts out;
  MESH_TRY(out.dataplane, token_trust(settings.dp_server.authn.dp_proxy.dp_token.validator));
  MESH_TRY(out.zone, token_trust(settings.dp_server.authn.zone_proxy.zone_token.validator));
  MESH_TRY(out.user, token_trust(settings.api_server.authn.tokens.validator));
  return out;
}

Result<DataplaneServerSettings> dataplane_server_settings(const ControlPlaneSettings& settings, TokenTrusts trusts) {
  const settings::DpServer& given = settings.dp_server;
  DataplaneServerSettings out;
  out.port = given.port;
  out.certificate_file = given.tls_cert_file;
  out.key_file = given.tls_key_file;
  out.work_dir = settings.general.work_dir;
  out.host_names = {host_name()};
  out.min_tls_version = tls_version(given.tls_min_version);
  out.cipher_suites = joined(given.tls_cipher_suites);
  out.authentication = proxy_authentication(given.authn.dp_proxy.type);
  out.zone_authentication = proxy_authentication(given.authn.zone_proxy.type);
  out.zone = settings.multizone.zone.name;
  out.token_trusts = std::move(trusts);
  out.limits.max_connection_age = given.max_connection_age;

  const settings::BootstrapParamsSection& params = settings.bootstrap_server.params;
  out.bootstrap.admin_address = params.admin_address;
  out.bootstrap.admin_port = static_cast<std::uint32_t>(params.admin_port);
  out.bootstrap.admin_access_log_path = params.admin_access_log_path;
  out.bootstrap.admin_unix_socket = params.envoy_admin_unix_socket;
  out.bootstrap.xds_host = params.xds_host;
  out.bootstrap.xds_port = static_cast<std::uint32_t>(params.xds_port != 0 ? params.xds_port : given.port);
  out.bootstrap.xds_connect_timeout = params.xds_connect_timeout;
  out.bootstrap.reloadable_tokens = given.authn.enable_reloadable_tokens;

  const settings::HealthDiscovery& health = given.hds;
  out.health_stream.enabled = health.enabled;
  out.health_stream.interval = health.interval;
  out.health_stream.check_timeout = health.check_defaults.timeout;
  out.health_stream.check_interval = health.check_defaults.interval;
  out.health_stream.check_no_traffic_interval = health.check_defaults.no_traffic_interval;
  out.health_stream.healthy_threshold = static_cast<std::uint32_t>(health.check_defaults.healthy_threshold);
  out.health_stream.unhealthy_threshold = static_cast<std::uint32_t>(health.check_defaults.unhealthy_threshold);
  return out;
}

Result<AwsDoorSettings> aws_door_settings(const ControlPlaneSettings& settings, const Environment& environment,
                                          const Clock& clock) {
  const settings::AwsIam& given = settings.kmesh.aws_iam;
  AwsDoorSettings out;
  out.authority.accounts = {given.authorized_account_ids.begin(), given.authorized_account_ids.end()};
  out.authority.roles.roles_to_assume = given.roles_to_assume_for_accounts;
  for (const std::string& audience : given.audiences) out.audiences.insert(aws::normal_audience(audience));
  // Tags are read when they are older than `keep`, and connected proxies are looked at in this interval.
  out.recheck_interval = std::clamp<Duration>(given.cache_time / 6, std::chrono::seconds(1), std::chrono::seconds(10));
  out.authority.roles.keep = std::max<Duration>(given.cache_time - out.recheck_interval, std::chrono::seconds(1));
  out.authority.roles.keep_refusals = std::min<Duration>(out.authority.roles.keep_refusals, out.authority.roles.keep);
  MESH_RETURN_IF_ERROR(check_settings(out.authority));
  out.needs.environment = aws::Environment(environment);
  out.needs.caller.fetch = aws::fetch_over_network();
  out.needs.caller.clock = &clock;
  out.needs.caller.timeout = std::chrono::seconds(3);
  out.needs.caller.counters = std::make_shared<aws::CallCounters>();
  MESH_TRY(out.needs.caller.addresses, aws::Addresses::from(out.needs.environment));
  return out;
}

Result<ApiListeners> api_listeners(const ControlPlaneSettings& settings) {
  const settings::ApiServerSection& given = settings.api_server;
  ApiListeners out;
  out.http = given.http.enabled;
  out.http_address = given.http.interface;
  out.http_port = given.http.port;
  out.https = given.https.enabled;
  out.https_address = given.https.interface;
  out.https_port = given.https.port;
  out.limits.idle_timeout = given.idle_timeout;
  if (!out.https) return out;
  MESH_TRY(ServerKeys keys, load_server_keys(api_key_files(settings), real_clock()));
  out.tls.certificate_pem = std::move(keys.certificate_pem);
  out.tls.key_pem = keys.key_pem.reveal();
  out.tls.min_version = tls_version(given.https.tls_min_version);
  out.tls.cipher_suites = joined(given.https.tls_cipher_suites);
  out.tls.require_client_certificate = given.https.require_client_cert;
  MESH_TRY(out.tls.client_ca_pem, certificates_in(given.https.tls_ca_file, given.auth.client_certs_dir));
  return out;
}

std::vector<std::filesystem::path> api_certificate_files(const ControlPlaneSettings& settings) {
  const auto [certificate, key] = server_key_paths(api_key_files(settings));
  std::vector<std::filesystem::path> out{certificate, key};
  for (const std::string& more : {settings.api_server.https.tls_ca_file, settings.api_server.auth.client_certs_dir}) {
    if (!more.empty()) out.emplace_back(more);
  }
  return out;
}

Result<wire::TlsServerSettings> diagnostics_tls(const ControlPlaneSettings& settings) {
  MESH_TRY(ServerKeys keys, load_server_keys(diagnostics_key_files(settings), real_clock()));
  wire::TlsServerSettings out;
  out.certificate_pem = std::move(keys.certificate_pem);
  out.key_pem = keys.key_pem.reveal();
  return out;
}

std::vector<std::filesystem::path> diagnostics_certificate_files(const ControlPlaneSettings& settings) {
  const auto [certificate, key] = server_key_paths(diagnostics_key_files(settings));
  return {certificate, key};
}

}  // namespace mesh
