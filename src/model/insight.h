// What proxies and zones reported: written by the control plane only.
#pragma once

#include <boost/describe/class.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/describe.h"

namespace mesh {

extern const Kind kDataplaneInsightKind;
extern const Kind kZoneInsightKind;

// Answers that one discovery type got: 64 bit, and so printed as strings, as protobuf does.
struct DiscoveryStats {
  std::uint64_t responses_sent = 0;
  std::uint64_t responses_acknowledged = 0;
  std::uint64_t responses_rejected = 0;

  friend bool operator==(const DiscoveryStats&, const DiscoveryStats&) = default;
};
BOOST_DESCRIBE_STRUCT(DiscoveryStats, (), (responses_sent, responses_acknowledged, responses_rejected))

// What an Envoy did not accept, the last time it refused something. Ours, not the peer's.
struct Rejection {
  SystemTime time{};
  std::string type;  // "Listener"
  std::string reason;

  friend bool operator==(const Rejection&, const Rejection&) = default;
};
BOOST_DESCRIBE_STRUCT(Rejection, (), (time, type, reason))

struct SubscriptionStatus {
  SystemTime last_update_time{};
  std::optional<DiscoveryStats> total, cds, eds, lds, rds;
  std::optional<Rejection> last_rejection;
};
BOOST_DESCRIBE_STRUCT(SubscriptionStatus, (), (last_update_time, total, cds, eds, lds, rds, last_rejection))

struct SidecarVersion {
  std::string version, git_tag, git_commit, build_date;
  bool kuma_cp_compatible = false;
};
BOOST_DESCRIBE_STRUCT(SidecarVersion, (), (version, git_tag, git_commit, build_date, kuma_cp_compatible))
struct EnvoyVersion {
  std::string version, build;
  bool kuma_dp_compatible = false;
};
BOOST_DESCRIBE_STRUCT(EnvoyVersion, (), (version, build, kuma_dp_compatible))
struct ProxyVersion {
  std::optional<SidecarVersion> kuma_dp;
  std::optional<EnvoyVersion> envoy;
  std::map<std::string, std::string> dependencies;
};
BOOST_DESCRIBE_STRUCT(ProxyVersion, (), (kuma_dp, envoy, dependencies))

// One connection of a proxy's Envoy to a control plane.
struct Subscription {
  std::string id;
  std::string control_plane_instance_id;
  SystemTime connect_time{};
  std::optional<SystemTime> disconnect_time;
  SubscriptionStatus status;
  std::optional<ProxyVersion> version;
  std::uint32_t generation = 0;

  bool is_online() const { return !disconnect_time.has_value(); }
};
BOOST_DESCRIBE_STRUCT(Subscription, (),
                      (id, control_plane_instance_id, connect_time, disconnect_time, status, version, generation))

struct CertificateStatus {
  SystemTime certificate_expiration_time{};
  SystemTime last_certificate_regeneration{};
  std::uint32_t certificate_regenerations = 0;
  std::string issued_backend;
  std::vector<std::string> supported_backends;
};
BOOST_DESCRIBE_STRUCT(CertificateStatus, (),
                      (certificate_expiration_time, last_certificate_regeneration, certificate_regenerations,
                       issued_backend, supported_backends))

// What a proxy's sidecar manager said last, for the control planes that it is not connected to. Ours.
struct ManagerWord {
  std::string instance;  // of the control plane that it is connected to
  SystemTime since{};
  std::optional<bool> ready;
  std::vector<std::uint32_t> unavailable_ports;
  bool leaving = false;

  friend bool operator==(const ManagerWord&, const ManagerWord&) = default;
};
BOOST_DESCRIBE_STRUCT(ManagerWord, (), (instance, since, ready, unavailable_ports, leaving))

struct DataplaneInsight {
  std::vector<Subscription> subscriptions;  // the newest is last
  std::optional<CertificateStatus> mtls;    // JSON: "mTLS"
  boost::json::value metadata;              // of the Envoy node
  boost::json::value open_telemetry;
  // It may get traffic: what a control plane that starts anew goes by until it has heard from its proxies. Ours.
  bool live = false;
  std::optional<ManagerWord> manager;

  bool is_online() const { return !subscriptions.empty() && subscriptions.back().is_online(); }

  static constexpr std::array kRules = {FieldRule{.member = "mtls", .json = "mTLS"}};
};
BOOST_DESCRIBE_STRUCT(DataplaneInsight, (), (subscriptions, mtls, metadata, open_telemetry, live, manager))

// ---- zones

struct ZoneControlPlaneVersion {
  std::string version, git_tag, git_commit, build_date;
  bool kuma_cp_global_compatible = false;
};
BOOST_DESCRIBE_STRUCT(ZoneControlPlaneVersion, (),
                      (version, git_tag, git_commit, build_date, kuma_cp_global_compatible))
struct ZoneVersion {
  std::optional<ZoneControlPlaneVersion> kuma_cp;
};
BOOST_DESCRIBE_STRUCT(ZoneVersion, (), (kuma_cp))
struct ZoneSubscriptionStatus {
  SystemTime last_update_time{};
  std::optional<DiscoveryStats> total;
  std::map<std::string, DiscoveryStats> stat;  // by resource type
};
BOOST_DESCRIBE_STRUCT(ZoneSubscriptionStatus, (), (last_update_time, total, stat))
// One connection of a zone's control plane to the global one.
struct ZoneSubscription {
  std::string id;
  std::string global_instance_id;
  SystemTime connect_time{};
  std::optional<SystemTime> disconnect_time;
  ZoneSubscriptionStatus status;
  std::optional<ZoneVersion> version;
  std::uint32_t generation = 0;
  std::string config;
  bool auth_token_provided = false;
  std::string zone_instance_id;
};
BOOST_DESCRIBE_STRUCT(ZoneSubscription, (),
                      (id, global_instance_id, connect_time, disconnect_time, status, version, generation, config,
                       auth_token_provided, zone_instance_id))
struct ZoneInsight {
  std::vector<ZoneSubscription> subscriptions;
  boost::json::value envoy_admin_streams, health_check, kds_streams;
};
BOOST_DESCRIBE_STRUCT(ZoneInsight, (), (subscriptions, envoy_admin_streams, health_check, kds_streams))

}  // namespace mesh
