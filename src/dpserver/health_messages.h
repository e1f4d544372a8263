// The health discovery protocol between its bytes and plain values: what an Envoy is told to probe, and what it found.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/service/health/v3/hds.proto
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ads/ads.h"
#include "base/clock.h"
#include "base/result.h"
#include "dpserver/liveness.h"
#include "model/dataplane.h"

namespace mesh {

// KUMA_DP_SERVER_HDS_*
struct HealthStreamSettings {
  bool enabled = true;
  Duration interval = std::chrono::seconds(5);  // how often Envoy reports, once it was ready
  Duration check_timeout = std::chrono::seconds(2);
  Duration check_interval = std::chrono::seconds(1);
  Duration check_no_traffic_interval = std::chrono::seconds(1);
  std::uint32_t healthy_threshold = 1;
  std::uint32_t unhealthy_threshold = 1;
};

// Where Envoy's own readiness is asked for.
struct AdminAddress {
  std::string socket;         // a Unix socket, or when empty
  std::uint32_t port = 9901;  // on 127.0.0.1
};
// As the node's metadata say it; else the Dataplane's, else the default.
AdminAddress admin_address_of(const std::string& metadata_json, const Dataplane& dataplane, std::uint32_t default_port);

// A HealthCheckSpecifier: Envoy's own readiness, and each inbound that has a serviceProbe.
std::string make_health_specifier(const Dataplane& dataplane, const AdminAddress& admin,
                                  const HealthStreamSettings& settings, Duration report_interval);

// A HealthCheckRequestOrEndpointHealthResponse.
struct HealthMessage {
  std::optional<ProxyNode> node;        // of the first one
  std::map<std::string, bool> healthy;  // by cluster, those that were probed
};
Result<HealthMessage> parse_health_message(std::string_view bytes);

// What was found, in terms of the Dataplane. What was not probed is taken for good.
ReadinessReport readiness_of(const std::map<std::string, bool>& healthy, const Dataplane& dataplane);

}  // namespace mesh
