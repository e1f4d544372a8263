#include "sidecar/discovery_carrier.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "base/bytes.h"

namespace mesh::sidecar {

namespace {

constexpr const char* kPaths[] = {
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck",
};
constexpr std::string_view kSocketName = "/taskmesh-discovery.sock";
constexpr std::size_t kLongestSocketPath = 103;  // of a Unix socket, wherever we run
// Beyond, the control plane is read no further until Envoy has taken what it has; a message may be larger.
constexpr std::size_t kMostForEnvoy = 256UL << 10;
// Envoy says little: what waits is what it said while there was no connection.
constexpr std::size_t kMostFromEnvoy = 8UL << 20;
constexpr int kCancelled = 1, kResourceExhausted = 8;

// One stream, and its two ends. Each holds this by its events until it has ended.
class Carried : public std::enable_shared_from_this<Carried> {
 public:
  explicit Carried(std::shared_ptr<wire::GrpcStream> envoy) : envoy_(std::move(envoy)) {}

  void open(wire::GrpcChannel& channel, const char* path, const Secret& credential) {
    wire::Headers metadata;
    if (!credential.empty()) metadata.add("authorization", credential.reveal());
    const std::lock_guard lock(mutex_);  // what happens on it waits until we have it
    control_plane_ = channel.open(path, std::move(metadata), std::make_unique<FromControlPlane>(shared_from_this()));
  }

  struct FromEnvoy final : wire::GrpcEvents {
    explicit FromEnvoy(std::shared_ptr<Carried> carried_in) : carried(std::move(carried_in)) {}
    void on_message(std::string message) override { carried->send_up(std::move(message)); }
    void on_all_sent() override { carried->on_taken(); }
    void on_half_closed() override { carried->control_plane()->finish({}); }
    void on_closed(const wire::GrpcStatus&) override {
      carried->control_plane()->finish({kCancelled, "Envoy has ended the stream"});
    }
    std::shared_ptr<Carried> carried;
  };

 private:
  struct FromControlPlane final : wire::GrpcEvents {
    explicit FromControlPlane(std::shared_ptr<Carried> carried_in) : carried(std::move(carried_in)) {}
    void on_message(std::string message) override { carried->send_down(std::move(message)); }
    void on_closed(const wire::GrpcStatus& status) override { carried->envoy_->finish(status); }
    std::shared_ptr<Carried> carried;
  };

  std::shared_ptr<wire::GrpcStream> control_plane() const {
    const std::lock_guard lock(mutex_);
    return control_plane_;
  }

  void send_up(std::string message) {
    const auto control_plane = this->control_plane();
    if (control_plane->unsent_bytes() + message.size() > kMostFromEnvoy)
      return envoy_->finish({kResourceExhausted, "the control plane takes nothing, and more waits than can be held"});
    control_plane->send({make_bytes(std::move(message))});
  }

  void send_down(std::string message) {
    envoy_->send({make_bytes(std::move(message))});
    if (envoy_->unsent_bytes() <= kMostForEnvoy || is_held_) return;
    control_plane()->set_reading(false);
    is_held_ = true;
    if (envoy_->unsent_bytes() == 0) on_taken();  // meanwhile
  }

  void on_taken() {
    if (is_held_.exchange(false)) control_plane()->set_reading(true);
  }

  const std::shared_ptr<wire::GrpcStream> envoy_;
  mutable std::mutex mutex_;
  std::shared_ptr<wire::GrpcStream> control_plane_;
  std::atomic<bool> is_held_ = false;
};

}  // namespace

std::string DiscoveryCarrier::socket_in(const std::string& work_dir) {
  std::string path = work_dir + std::string(kSocketName);
  return path.size() <= kLongestSocketPath ? path : std::string();
}

Result<std::unique_ptr<DiscoveryCarrier>> DiscoveryCarrier::listen(wire::EventLoop& loop, const std::string& socket,
                                                                   std::shared_ptr<wire::GrpcChannel> channel,
                                                                   std::function<Secret()> read_credential) {
  wire::GrpcServices services;
  for (const char* path : kPaths) {
    services[path] = [path, channel, read_credential](std::shared_ptr<wire::GrpcStream> stream) {
      stream->forget_headers();
      auto carried = std::make_shared<Carried>(std::move(stream));
      carried->open(*channel, path, read_credential());
      return std::make_unique<Carried::FromEnvoy>(std::move(carried));
    };
  }
  wire::ServerSettings settings{.name = "discovery", .address = {}, .port = 0, .unix_socket = socket, .limits = {}};
  MESH_TRY(auto server,
           wire::Server::listen(
               loop, std::move(settings),
               [](const wire::Request&, wire::Respond respond) { respond({.status = 404, .headers = {}, .body = {}}); },
               std::move(services)));
  return std::unique_ptr<DiscoveryCarrier>(new DiscoveryCarrier(std::move(server)));
}

}  // namespace mesh::sidecar
