// The health stream of one Envoy: tells it what to probe, and hands on what it found.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dpserver/health_messages.h"
#include "dpserver/proxy_stream.h"

namespace mesh {

class HealthStream;

// The open health streams by proxy. Thread-safe.
class HealthStreams {
 public:
  void add(const ProxyId& proxy, std::uint64_t session, std::weak_ptr<HealthStream> stream);
  void remove(const ProxyId& proxy, std::uint64_t session);
  std::vector<std::shared_ptr<HealthStream>> find(const ProxyId& proxy) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<ProxyId, std::uint64_t>, std::weak_ptr<HealthStream>> streams_;
};

class HealthStream final : public ProxyStream {
 public:
  // A proxy that was not ready yet is asked more often, so that it need not wait for its first request.
  static constexpr Duration kIntervalUntilReady = std::chrono::milliseconds(500);

  HealthStream(std::shared_ptr<StreamContext> context, std::shared_ptr<HealthStreams> streams,
               std::shared_ptr<wire::GrpcStream> stream, HealthStreamSettings settings,
               std::uint32_t default_admin_port);
  ~HealthStream() override;

  // The Dataplane changed: reads it again. From any thread.
  void refresh();

 protected:
  Result<ProxyNode> read_node(const std::string& message) override;
  void on_open(const Resource& dataplane) override;
  Status take(const std::string& message) override;

 private:
  void tell();

  const std::shared_ptr<HealthStreams> streams_;
  const HealthStreamSettings settings_;
  const std::uint32_t default_admin_port_;
  Resource dataplane_;
  std::string told_;  // the specifier that Envoy has
  bool was_ready_ = false;
  std::optional<ReadinessReport> reported_;
};

}  // namespace mesh
