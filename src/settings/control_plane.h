// The settings of the control plane: the structure of the YAML file, and of GET /config. The table in control_plane.cc
// says what each is for.
#pragma once

#include <boost/describe/class.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "settings/loader.h"

namespace mesh::settings {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

struct General {
  Duration dns_cache_ttl = seconds(10);
  std::string tls_cert_file, tls_key_file;
  std::string tls_min_version = "TLSv1_2", tls_max_version;
  Texts tls_cipher_suites;
  std::string work_dir;

  static constexpr std::array kRules = {FieldRule{.member = "dns_cache_ttl", .json = "dnsCacheTTL"}};
};
BOOST_DESCRIBE_STRUCT(General, (),
                      (dns_cache_ttl, tls_cert_file, tls_key_file, tls_min_version, tls_max_version, tls_cipher_suites,
                       work_dir))

// ---- store
struct Sqlite {
  std::string path;
};
BOOST_DESCRIBE_STRUCT(Sqlite, (), (path))
struct PostgresTls {
  std::string mode = "disable", cert_path, key_path, ca_path;
  bool disable_sslsni = false;

  static constexpr std::array kRules = {FieldRule{.member = "disable_sslsni", .json = "disableSSLSNI"}};
};
BOOST_DESCRIBE_STRUCT(PostgresTls, (), (mode, cert_path, key_path, ca_path, disable_sslsni))
struct ReadReplica {
  std::string host;
  int port = 5432;
  int ratio = 100;
};
BOOST_DESCRIBE_STRUCT(ReadReplica, (), (host, port, ratio))
struct Postgres {
  std::string host = "127.0.0.1";
  int port = 15432;
  std::string user = "kuma", password = "kuma", password_file, db_name = "kuma";
  int connection_timeout = 5;  // seconds
  Duration max_connection_idle_time = minutes(30), max_connection_lifetime = hours(1),
           max_connection_lifetime_jitter = minutes(1);
  Duration health_check_interval = seconds(30);
  int min_open_connections = 0, max_open_connections = 50;
  bool aws_iam_auth = false;
  PostgresTls tls;
  ReadReplica read_replica;
};
BOOST_DESCRIBE_STRUCT(Postgres, (),
                      (host, port, user, password, password_file, db_name, connection_timeout, max_connection_idle_time,
                       max_connection_lifetime, max_connection_lifetime_jitter, health_check_interval,
                       min_open_connections, max_open_connections, aws_iam_auth, tls, read_replica))
struct Upsert {
  Duration conflict_retry_base_backoff = milliseconds(200);
  int conflict_retry_max_times = 10;
  int conflict_retry_jitter_percent = 30;
};
BOOST_DESCRIBE_STRUCT(Upsert, (),
                      (conflict_retry_base_backoff, conflict_retry_max_times, conflict_retry_jitter_percent))
struct StoreSection {
  std::string type = "sqlite";
  Sqlite sqlite;
  Postgres postgres;
  Upsert upsert;
  bool unsafe_delete = false;
};
BOOST_DESCRIBE_STRUCT(StoreSection, (), (type, sqlite, postgres, upsert, unsafe_delete))

// ---- what proxies are told at their start
struct BootstrapParamsSection {
  std::string admin_address = "127.0.0.1";
  int admin_port = 9901;
  bool envoy_admin_unix_socket = true;
  int readiness_port = 9902;
  std::string admin_access_log_path = "/dev/null";
  std::string xds_host;
  int xds_port = 0;
  Duration xds_connect_timeout = seconds(1);
  int xds_grpc_max_receive_message_bytes = 4194304;
};
BOOST_DESCRIBE_STRUCT(BootstrapParamsSection, (),
                      (admin_address, admin_port, envoy_admin_unix_socket, readiness_port, admin_access_log_path,
                       xds_host, xds_port, xds_connect_timeout, xds_grpc_max_receive_message_bytes))
struct BootstrapServer {
  BootstrapParamsSection params;
};
BOOST_DESCRIBE_STRUCT(BootstrapServer, (), (params))

struct XdsServer {
  Duration dataplane_status_flush_interval = seconds(10);
  Duration dataplane_deregistration_delay = seconds(10);
  Duration nack_backoff = seconds(5);
};
BOOST_DESCRIBE_STRUCT(XdsServer, (), (dataplane_status_flush_interval, dataplane_deregistration_delay, nack_backoff))

// ---- REST
struct ApiHttp {
  bool enabled = true;
  std::string interface = "0.0.0.0";
  int port = 5681;
};
BOOST_DESCRIBE_STRUCT(ApiHttp, (), (enabled, interface, port))
struct ApiHttps {
  bool enabled = true;
  std::string interface = "0.0.0.0";
  int port = 5682;
  std::string tls_cert_file, tls_key_file;
  std::string tls_min_version = "TLSv1_2", tls_max_version;
  Texts tls_cipher_suites;
  bool require_client_cert = false;
  std::string tls_ca_file;
};
BOOST_DESCRIBE_STRUCT(ApiHttps, (),
                      (enabled, interface, port, tls_cert_file, tls_key_file, tls_min_version, tls_max_version,
                       tls_cipher_suites, require_client_cert, tls_ca_file))
struct ApiAuth {
  std::string client_certs_dir;
};
BOOST_DESCRIBE_STRUCT(ApiAuth, (), (client_certs_dir))
struct PublicKey {
  std::string kid, key_file, key, mesh;
};
BOOST_DESCRIBE_STRUCT(PublicKey, (), (kid, key_file, key, mesh))
struct TokenValidator {
  bool use_secrets = true;
  std::vector<PublicKey> public_keys;
};
BOOST_DESCRIBE_STRUCT(TokenValidator, (), (use_secrets, public_keys))
struct ApiTokens {
  bool bootstrap_admin_token = true;
  bool enable_issuer = true;
  TokenValidator validator;
};
BOOST_DESCRIBE_STRUCT(ApiTokens, (), (bootstrap_admin_token, enable_issuer, validator))
struct ApiAuthn {
  std::string type = "tokens";
  bool localhost_is_admin = true;
  ApiTokens tokens;
};
BOOST_DESCRIBE_STRUCT(ApiAuthn, (), (type, localhost_is_admin, tokens))
struct Gui {
  bool enabled = true;
  std::string root_url;
  std::string base_path = "/gui";
};
BOOST_DESCRIBE_STRUCT(Gui, (), (enabled, root_url, base_path))
struct ApiServerSection {
  bool read_only = false;
  Texts cors_allowed_domains;
  ApiHttp http;
  ApiHttps https;
  ApiAuth auth;
  ApiAuthn authn;
  std::string base_path = "/";
  std::string root_url;
  Gui gui;
  Duration read_header_timeout = seconds(1), read_timeout = seconds(10), write_timeout = seconds(30),
           idle_timeout = minutes(2);
};
BOOST_DESCRIBE_STRUCT(ApiServerSection, (),
                      (read_only, cors_allowed_domains, http, https, auth, authn, base_path, root_url, gui,
                       read_header_timeout, read_timeout, write_timeout, idle_timeout))

// ---- runtime, defaults, metrics
struct Universal {
  Duration dataplane_cleanup_age = hours(72), zone_resource_cleanup_age = hours(72);
};
BOOST_DESCRIBE_STRUCT(Universal, (), (dataplane_cleanup_age, zone_resource_cleanup_age))
struct Runtime {
  Universal universal;
};
BOOST_DESCRIBE_STRUCT(Runtime, (), (universal))
struct Defaults {
  bool skip_mesh_creation = false;
  bool skip_tenant_resources = false;
  bool enable_localhost_inbound_clusters = false;
  bool skip_hostname_generators = false;

  // Spelt as it is for other readers of GET /config.
  static constexpr std::array kRules = {
      FieldRule{.member = "skip_hostname_generators", .json = "SkipHostnameGenerators"}};
};
BOOST_DESCRIBE_STRUCT(Defaults, (),
                      (skip_mesh_creation, skip_tenant_resources, enable_localhost_inbound_clusters,
                       skip_hostname_generators))
struct DataplaneMetrics {
  int subscription_limit = 2;
  Duration idle_timeout = minutes(5);
};
BOOST_DESCRIBE_STRUCT(DataplaneMetrics, (), (subscription_limit, idle_timeout))
struct ZoneMetrics {
  int subscription_limit = 10;
  Duration idle_timeout = minutes(5);
};
BOOST_DESCRIBE_STRUCT(ZoneMetrics, (), (subscription_limit, idle_timeout))
struct ControlPlaneMetrics {
  bool report_resources_count = true;
};
BOOST_DESCRIBE_STRUCT(ControlPlaneMetrics, (), (report_resources_count))
struct Metrics {
  DataplaneMetrics dataplane;
  ZoneMetrics zone;
  ControlPlaneMetrics control_plane;
};
BOOST_DESCRIBE_STRUCT(Metrics, (), (dataplane, zone, control_plane))

// ---- zones, names
struct ZoneSection {
  std::string name = "default";
};
BOOST_DESCRIBE_STRUCT(ZoneSection, (), (name))
struct Multizone {
  ZoneSection zone;
};
BOOST_DESCRIBE_STRUCT(Multizone, (), (zone))
struct DnsServer {
  std::string domain = "mesh";
  std::string cidr = "240.0.0.0/4";
  bool service_vip_enabled = true;
  int service_vip_port = 80;

  static constexpr std::array kRules = {FieldRule{.member = "cidr", .json = "CIDR"}};
};
BOOST_DESCRIBE_STRUCT(DnsServer, (), (domain, cidr, service_vip_enabled, service_vip_port))

struct Diagnostics {
  int server_port = 5680;
  bool debug_endpoints = false;
  bool tls_enabled = false;
  std::string tls_cert_file, tls_key_file;
  std::string tls_min_version = "TLSv1_2", tls_max_version;
  Texts tls_cipher_suites;
};
BOOST_DESCRIBE_STRUCT(Diagnostics, (),
                      (server_port, debug_endpoints, tls_enabled, tls_cert_file, tls_key_file, tls_min_version,
                       tls_max_version, tls_cipher_suites))

// ---- the port for sidecars
struct DpTokenAuthn {
  bool enable_issuer = true;
  TokenValidator validator;
};
BOOST_DESCRIBE_STRUCT(DpTokenAuthn, (), (enable_issuer, validator))
struct DpProxyAuthn {
  std::string type = "dpToken";
  DpTokenAuthn dp_token;
};
BOOST_DESCRIBE_STRUCT(DpProxyAuthn, (), (type, dp_token))
struct ZoneProxyAuthn {
  std::string type = "zoneToken";
  DpTokenAuthn zone_token;
};
BOOST_DESCRIBE_STRUCT(ZoneProxyAuthn, (), (type, zone_token))
struct DpServerAuthn {
  DpProxyAuthn dp_proxy;
  ZoneProxyAuthn zone_proxy;
  bool enable_reloadable_tokens = false;
};
BOOST_DESCRIBE_STRUCT(DpServerAuthn, (), (dp_proxy, zone_proxy, enable_reloadable_tokens))
struct DpServerAuth {
  std::string type;
  bool use_token_path = false;
};
BOOST_DESCRIBE_STRUCT(DpServerAuth, (), (type, use_token_path))
struct HealthCheckDefaults {
  Duration timeout = seconds(2), interval = seconds(1), no_traffic_interval = seconds(1);
  int healthy_threshold = 1, unhealthy_threshold = 1;
};
BOOST_DESCRIBE_STRUCT(HealthCheckDefaults, (),
                      (timeout, interval, no_traffic_interval, healthy_threshold, unhealthy_threshold))
struct HealthDiscovery {
  bool enabled = true;
  Duration interval = seconds(5), refresh_interval = seconds(10);
  HealthCheckDefaults check_defaults;
};
BOOST_DESCRIBE_STRUCT(HealthDiscovery, (), (enabled, interval, refresh_interval, check_defaults))
struct DpServer {
  int port = 5678;
  std::string tls_cert_file, tls_key_file;
  std::string tls_min_version = "TLSv1_2", tls_max_version;
  Texts tls_cipher_suites;
  Duration read_header_timeout = seconds(5), graceful_shutdown_timeout = seconds(10);
  Duration max_connection_age{};
  DpServerAuth auth;  // the older names of what is in `authn`
  DpServerAuthn authn;
  HealthDiscovery hds;
};
BOOST_DESCRIBE_STRUCT(DpServer, (),
                      (port, tls_cert_file, tls_key_file, tls_min_version, tls_max_version, tls_cipher_suites,
                       read_header_timeout, graceful_shutdown_timeout, max_connection_age, auth, authn, hds))

// ---- who may do what
struct AdminList {
  Texts users = {"mesh-system:admin"}, groups = {"mesh-system:admin"};
};
BOOST_DESCRIBE_STRUCT(AdminList, (), (users, groups))
struct ViewerList {
  Texts users, groups = {"mesh-system:unauthenticated", "mesh-system:authenticated"};
};
BOOST_DESCRIBE_STRUCT(ViewerList, (), (users, groups))
struct StaticAccess {
  AdminList admin_resources, generate_dp_token, generate_user_token, generate_zone_token;
  ViewerList view_config_dump, view_stats, view_clusters, control_plane_metadata;
};
BOOST_DESCRIBE_STRUCT(StaticAccess, (),
                      (admin_resources, generate_dp_token, generate_user_token, generate_zone_token, view_config_dump,
                       view_stats, view_clusters, control_plane_metadata))
struct Access {
  std::string type = "static";
  StaticAccess static_;
};
BOOST_DESCRIBE_STRUCT(Access, (), (type, static_))

// ---- addresses and services
struct Cidr {
  std::string cidr;
};
BOOST_DESCRIBE_STRUCT(Cidr, (), (cidr))
struct Ipam {
  Cidr mesh_service{"241.0.0.0/8"}, mesh_external_service{"242.0.0.0/8"}, mesh_multi_zone_service{"243.0.0.0/8"};
  Duration quarantine = hours(24);
  Texts known_internal_cidrs = {"10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12", "fc00::/7",
                                "fd00::/8",   "127.0.0.1/32",   "::1/128"};

  static constexpr std::array kRules = {FieldRule{.member = "known_internal_cidrs", .json = "knownInternalCIDRs"}};
};
BOOST_DESCRIBE_STRUCT(Ipam, (),
                      (mesh_service, mesh_external_service, mesh_multi_zone_service, quarantine, known_internal_cidrs))
struct MeshServiceSection {
  Duration generation_interval = seconds(2);
  Duration deletion_grace_period = hours(1);
};
BOOST_DESCRIBE_STRUCT(MeshServiceSection, (), (generation_interval, deletion_grace_period))

// ---- what the peer calls experimental
struct Experimental {
  bool auto_reachable_services = false;
};
BOOST_DESCRIBE_STRUCT(Experimental, (), (auto_reachable_services))

// ---- ours: when a proxy counts as gone (the defaults of the liveness rules)
struct LivenessSection {
  Duration both_gone = milliseconds(900), one_gone = seconds(10), restart = seconds(30), floor_window = seconds(10),
           unprobed = seconds(5);
};
BOOST_DESCRIBE_STRUCT(LivenessSection, (), (both_gone, one_gone, restart, floor_window, unprobed))

// ---- AWS
struct AwsIam {
  Texts authorized_account_ids;
  std::map<std::string, std::string> roles_to_assume_for_accounts;
  Texts audiences;
  Duration cache_time = seconds(60);

  static constexpr std::array kRules = {FieldRule{.member = "authorized_account_ids", .json = "authorizedAccountIDs"}};
};
BOOST_DESCRIBE_STRUCT(AwsIam, (), (authorized_account_ids, roles_to_assume_for_accounts, audiences, cache_time))
struct Route53 {
  bool enabled = false;
  std::string hosted_zone_id;
  Duration refresh_interval = seconds(10), retry_base_backoff = seconds(1);
  int retry_max_times = 2, retry_jitter_percent = 20;
  Duration record_ttl = seconds(60), drift_scan_interval{};
};
BOOST_DESCRIBE_STRUCT(Route53, (),
                      (enabled, hosted_zone_id, refresh_interval, retry_base_backoff, retry_max_times,
                       retry_jitter_percent, record_ttl, drift_scan_interval))
struct KmeshAws {
  Route53 route53;
};
BOOST_DESCRIBE_STRUCT(KmeshAws, (), (route53))
struct KmeshRuntime {
  KmeshAws aws;
};
BOOST_DESCRIBE_STRUCT(KmeshRuntime, (), (aws))
struct Kmesh {
  AwsIam aws_iam;
  KmeshRuntime runtime;

  static constexpr std::array kRules = {FieldRule{.member = "aws_iam", .json = "awsIAM"}};
};
BOOST_DESCRIBE_STRUCT(Kmesh, (), (aws_iam, runtime))

}  // namespace mesh::settings

namespace mesh {

struct ControlPlaneSettings {
  settings::General general;
  std::string environment = "universal";
  std::string mode = "zone";
  settings::StoreSection store;
  settings::BootstrapServer bootstrap_server;
  settings::XdsServer xds_server;
  settings::ApiServerSection api_server;
  settings::Runtime runtime;
  settings::Defaults defaults;
  settings::Metrics metrics;
  settings::Multizone multizone;
  settings::DnsServer dns_server;
  settings::Diagnostics diagnostics;
  settings::DpServer dp_server;
  settings::Access access;
  settings::Ipam ipam;
  settings::MeshServiceSection mesh_service;
  settings::Experimental experimental;
  settings::LivenessSection liveness;
  settings::Kmesh kmesh;
};
BOOST_DESCRIBE_STRUCT(ControlPlaneSettings, (),
                      (general, environment, mode, store, bootstrap_server, xds_server, api_server, runtime, defaults,
                       metrics, multizone, dns_server, diagnostics, dp_server, access, ipam, mesh_service, experimental,
                       liveness, kmesh))

struct LoadedControlPlaneSettings {
  ControlPlaneSettings settings;
  std::vector<std::string> warnings;  // to be logged
};

// `yaml` is the text of the settings file, empty when there is none. Fills in what follows from other settings: the
// work directory (below HOME), the store's file, the certificate of each TLS port (that of `general`). Invalid names
// every wrong value.
Result<LoadedControlPlaneSettings> load_control_plane_settings(std::string_view yaml, const Environment& environment);

// What GET /config shows, as JSON with secrets masked.
std::string config_json(const ControlPlaneSettings& settings);

// The reference page, in Markdown.
std::string control_plane_settings_reference();

}  // namespace mesh
