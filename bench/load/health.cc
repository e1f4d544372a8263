// The health discovery of a sidecar: how a stock control plane learns that inbounds take connections.
#include <envoy/service/health/v3/hds.pb.h>

#include "load/fleet.h"
#include "load/sidecar.h"

namespace mesh::load {

namespace {

namespace health = ::envoy::service::health::v3;

constexpr const char* kHealthPath = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck";

}  // namespace

class Sidecar::HealthEvents final : public wire::GrpcEvents {
 public:
  HealthEvents(std::weak_ptr<Sidecar> sidecar, std::uint64_t session)
      : sidecar_(std::move(sidecar)), session_(session) {}
  void on_message(std::string message) override {
    if (const auto self = current()) self->on_health_request(message);
  }
  void on_closed(const wire::GrpcStatus&) override {
    if (const auto self = current()) self->health_.reset();  // opened again with the next discovery stream
  }

 private:
  std::shared_ptr<Sidecar> current() const {
    auto self = sidecar_.lock();
    return self && self->health_session_ == session_ ? self : nullptr;
  }
  std::weak_ptr<Sidecar> sidecar_;
  std::uint64_t session_;
};

void Sidecar::open_health() {
  if (health_) return;
  wire::GrpcClientSettings connection;
  connection.url = fleet_.settings.sidecar_url;
  connection.tls.ca_pem = fleet_.settings.ca_pem;
  connection.tls.skip_verify = fleet_.settings.ca_pem.empty();
  health_ = wire::open_grpc_stream(fleet_.loop(), std::move(connection), kHealthPath, credential(),
                                   std::make_unique<HealthEvents>(weak_from_this(), ++health_session_));
  health::HealthCheckRequestOrEndpointHealthResponse hello;
  auto& request = *hello.mutable_health_check_request();
  request.mutable_node()->ParseFromString(node_.own);
  request.mutable_capability()->add_health_check_protocols(health::Capability::HTTP);
  request.mutable_capability()->add_health_check_protocols(health::Capability::TCP);
  health_->send({make_bytes(hello.SerializeAsString())});
}

// Everything that it is asked about is healthy.
void Sidecar::on_health_request(std::string_view message) {
  health::HealthCheckSpecifier asked;
  if (!asked.ParseFromArray(message.data(), static_cast<int>(message.size()))) return;
  health::HealthCheckRequestOrEndpointHealthResponse answer;
  auto& response = *answer.mutable_endpoint_health_response();
  for (const auto& cluster : asked.cluster_health_checks()) {
    auto& out = *response.add_cluster_endpoints_health();
    out.set_cluster_name(cluster.cluster_name());
    for (const auto& locality : cluster.locality_endpoints()) {
      auto& place = *out.add_locality_endpoints_health();
      *place.mutable_locality() = locality.locality();
      for (const auto& endpoint : locality.endpoints()) {
        auto& one = *place.add_endpoints_health();
        *one.mutable_endpoint() = endpoint;
        one.set_health_status(::envoy::config::core::v3::HEALTHY);
      }
    }
  }
  health_answer_ = answer.SerializeAsString();
  health_interval_ = std::max<Duration>(std::chrono::seconds(1), std::chrono::seconds(asked.interval().seconds()));
  if (said_hello_at_ == SteadyTime{}) said_hello_at_ = fleet_.now();
  answer_health();
}

void Sidecar::answer_health() {
  if (!health_ || health_answer_.empty()) return;
  health_->send({make_bytes(health_answer_)});
  health_timer_ = strand_.after(health_interval_, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->is_running_) self->answer_health();
  });
}

}  // namespace mesh::load
