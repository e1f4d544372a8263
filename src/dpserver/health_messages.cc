#include "dpserver/health_messages.h"

#include <boost/json.hpp>
#include <envoy/service/health/v3/hds.pb.h>

#include <charconv>

#include "ads/node.h"
#include "ads/wire_format.h"
#include "envoy/names.h"

namespace mesh {
namespace {

namespace core = ::envoy::config::core::v3;
using ::envoy::service::health::v3::ClusterHealthCheck;
using ::envoy::service::health::v3::HealthCheckSpecifier;

std::uint32_t service_port(const Inbound& inbound) {
  return inbound.service_port != 0 ? inbound.service_port : inbound.port;
}

void set_duration(google::protobuf::Duration& out, Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration);
  out.set_seconds(seconds.count());
  out.set_nanos(static_cast<std::int32_t>((duration - seconds).count()));
}

core::HealthCheck& add_check(ClusterHealthCheck& cluster, const HealthStreamSettings& settings,
                             const ServiceProbe& probe) {
  core::HealthCheck& check = *cluster.add_health_checks();
  set_duration(*check.mutable_timeout(), probe.timeout.value_or(settings.check_timeout));
  set_duration(*check.mutable_interval(), probe.interval.value_or(settings.check_interval));
  set_duration(*check.mutable_no_traffic_interval(), settings.check_no_traffic_interval);
  check.mutable_healthy_threshold()->set_value(probe.healthy_threshold.value_or(settings.healthy_threshold));
  check.mutable_unhealthy_threshold()->set_value(probe.unhealthy_threshold.value_or(settings.unhealthy_threshold));
  return check;
}

core::Address& only_address(ClusterHealthCheck& cluster) {
  return *cluster.add_locality_endpoints()->add_endpoints()->mutable_address();
}

void set_socket_address(core::Address& address, const std::string& host, std::uint32_t port) {
  address.mutable_socket_address()->set_address(host);
  address.mutable_socket_address()->set_port_value(port);
}

constexpr std::uint64_t kUnknown = 0, kHealthy = 1;  // core.v3.HealthStatus

// ClusterEndpointsHealth: a cluster of one endpoint.
bool take_cluster(std::map<std::string, bool>& healthy, std::string_view bytes) {
  std::string name;
  std::optional<bool> found;
  pb::Reader cluster(bytes);
  while (const auto field = cluster.next()) {
    if (field->type != 2) continue;
    if (field->number == 1) name = field->bytes;
    if (field->number != 2) continue;
    pb::Reader locality(field->bytes);
    while (const auto endpoint = locality.next()) {
      if (endpoint->number != 2 || endpoint->type != 2) continue;
      std::uint64_t status = kUnknown;  // the default is not on the wire
      pb::Reader parts(endpoint->bytes);
      while (const auto part = parts.next()) {
        if (part->number == 2 && part->type == 0) status = part->value;
      }
      if (parts.failed()) return false;
      if (!found) found = status == kHealthy || status == kUnknown;
    }
    if (locality.failed()) return false;
  }
  constexpr std::size_t kMaxClusters = 10'000;
  if (cluster.failed() || !pb::is_utf8(name) || healthy.size() > kMaxClusters) return false;
  if (found) healthy[name] = *found;
  return true;
}

}  // namespace

AdminAddress admin_address_of(const std::string& metadata_json, const Dataplane& dataplane,
                              std::uint32_t default_port) {
  AdminAddress admin{.socket = {},
                     .port = dataplane.networking.admin ? dataplane.networking.admin->port : default_port};
  boost::system::error_code problem;
  const boost::json::value metadata = boost::json::parse(metadata_json, problem);
  const auto* object = problem ? nullptr : metadata.if_object();
  if (object == nullptr) return admin;
  if (const auto* socket = object->if_contains("dataplane.admin.socketPath");
      socket != nullptr && socket->is_string()) {
    admin.socket = std::string(socket->get_string());
  }
  if (const auto* port = object->if_contains("dataplane.admin.port"); port != nullptr && port->is_string()) {
    const auto& text = port->get_string();
    std::uint32_t number = 0;
    const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (wrong == std::errc() && end == text.data() + text.size() && number > 0 && number < 65536) admin.port = number;
  }
  return admin;
}

std::string make_health_specifier(const Dataplane& dataplane, const AdminAddress& admin,
                                  const HealthStreamSettings& settings, Duration report_interval) {
  HealthCheckSpecifier specifier;
  set_duration(*specifier.mutable_interval(), report_interval);

  // Envoy itself, so that it is noticed when it drains.
  ClusterHealthCheck& self = *specifier.add_cluster_health_checks();
  self.set_cluster_name(std::string(envoy::names::kAdmin));
  if (admin.socket.empty()) {
    set_socket_address(only_address(self), "127.0.0.1", admin.port);
  } else {
    only_address(self).mutable_pipe()->set_path(admin.socket);
  }
  add_check(self, settings, {}).mutable_http_health_check()->set_path("/ready");

  for (const Inbound& inbound : dataplane.networking.inbound) {
    if (!inbound.service_probe) continue;
    const std::string& listens = inbound.address.empty() ? dataplane.networking.address : inbound.address;
    ClusterHealthCheck& cluster = *specifier.add_cluster_health_checks();
    cluster.set_cluster_name(envoy::names::local_cluster(service_port(inbound)));
    set_socket_address(only_address(cluster), inbound.service_address.empty() ? listens : inbound.service_address,
                       service_port(inbound));
    add_check(cluster, settings, *inbound.service_probe).mutable_tcp_health_check();
  }
  return specifier.SerializeAsString();
}

Result<HealthMessage> parse_health_message(std::string_view bytes) {
  const Error unreadable = invalid("", "the message is not one of health discovery");
  HealthMessage message;
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->type != 2 || field->number > 2) continue;
    pb::Reader body(field->bytes);
    while (const auto part = body.next()) {
      if (part->type != 2) continue;
      if (field->number == 1 && part->number == 1) {
        MESH_TRY(message.node, parse_node(part->bytes));
      } else if (field->number == 2 && part->number == 2) {
        if (!take_cluster(message.healthy, part->bytes)) return unreadable;
      }
    }
    if (body.failed()) return unreadable;
  }
  if (reader.failed()) return unreadable;
  return message;
}

ReadinessReport readiness_of(const std::map<std::string, bool>& healthy, const Dataplane& dataplane) {
  const auto is_healthy = [&](const std::string& cluster) {
    const auto found = healthy.find(cluster);
    return found == healthy.end() || found->second;
  };
  ReadinessReport report{
      .source = LivenessSource::HealthStream, .proxy_ready = true, .unavailable_ports = {}, .reason = {}};
  if (!is_healthy(std::string(envoy::names::kAdmin))) {
    report.proxy_ready = false;
    report.reason = "Envoy is not ready";
  }
  for (const Inbound& inbound : dataplane.networking.inbound) {
    if (inbound.service_probe && !is_healthy(envoy::names::local_cluster(service_port(inbound)))) {
      report.unavailable_ports.insert(inbound.port);
      report.reason = "the application does not take connections on port " + std::to_string(service_port(inbound));
    }
  }
  return report;
}

}  // namespace mesh
