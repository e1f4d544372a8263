// Everything a user can set about one sidecar. Names and defaults are those of the peer's `kuma-dp run`; apps/dp fills
// it from flags and KUMA_* variables.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/result.h"

namespace mesh::sidecar {

inline constexpr Duration kDefaultDrainTime = std::chrono::seconds(30);
// ECS kills a task 30 s after SIGTERM. The default drain time must end before that, with Envoy and us gone.
inline constexpr Duration kEcsSafeDrainTime = std::chrono::seconds(28);
inline constexpr std::uint32_t kDefaultDnsPort = 15053;

struct Settings {
  // The control plane.
  std::string cp_address = "https://localhost:5678";
  std::string ca_cert;  // PEM
  std::string ca_cert_file;
  bool skip_verify = false;
  Duration retry_backoff = std::chrono::seconds(3);  // the longest pause between two tries
  Duration retry_max_duration = std::chrono::minutes(5);

  // Who this proxy is.
  ProxyRole proxy_type = ProxyRole::Dataplane;
  std::string mesh;
  std::string name;
  std::string resource;       // the template itself
  std::string resource_file;  // or where it is; "-": standard input
  std::map<std::string, std::string> resource_variables;
  std::string auth_type;  // empty or "dataplane-token": the token, when there is one; "aws": the IAM role; "none"
  Secret token;
  std::string token_file;

  // Envoy.
  std::string binary_path = "envoy";
  std::uint32_t concurrency = 0;  // 0: as many workers as the cpuset has cores
  std::string envoy_log_level;    // empty: like our own
  std::string envoy_component_log_level;
  std::string work_dir;  // empty: a temporary one, removed at the end
  Duration drain_time = kDefaultDrainTime;
  bool delta_xds = true;
  bool carry_discovery = true;  // over our own connection, when the control plane knows how
  bool bind_outbounds = false;
  bool dns_enabled = false;    // serve the names of the mesh ourselves
  std::uint32_t dns_port = 0;  // on 127.0.0.1; 0: kDefaultDnsPort
  bool strict_inbound_ports = true;
  bool reuse_port = true;
  bool ipv6 = true;
  bool unified_naming = false;
  std::uint64_t max_memory_bytes = 0;  // 0: the limit of our cgroup
  std::string metrics_cert_path, metrics_key_path;
  std::string system_ca_path;  // empty: the usual places

  std::uint32_t readiness_port = 9902;
  log::Level log_level = log::Level::Info;
  std::map<std::string, std::string> dynamic_metadata;

  bool serves_names() const { return dns_enabled && bind_outbounds && proxy_type == ProxyRole::Dataplane; }
  // What the whole stop may take. An explicit drain time is taken at its word; the default leaves room for ECS.
  Duration stop_budget() const { return drain_time == kDefaultDrainTime ? kEcsSafeDrainTime : drain_time; }
  // What we tell the control plane that we can do. Only what is really there.
  std::vector<std::string> features() const;
};

// Everything wrong at once; each violation's field is the flag.
Status check(const Settings& settings);

}  // namespace mesh::sidecar
