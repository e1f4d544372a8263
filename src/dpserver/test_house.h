// The rooms that the tests of this one need round them: a store in memory with a mesh, and everything else real.
#pragma once

#include <boost/json.hpp>
#include <gmock/gmock.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "admission/admission.h"
#include "dpserver/gatekeeper.h"
#include "dpserver/liveness.h"
#include "identity/tokens.h"
#include "model/builtin.h"
#include "model/json.h"
#include "model/mesh.h"
#include "store/memory/memory_store.h"
#include "store/secrets.h"

namespace mesh::test {

struct House {
  House() {
    add_builtin_kinds(kinds);
    Resource mesh;
    mesh.key = {&kMeshKind, {}, "default"};
    mesh.spec = AnySpec::of(Mesh{});
    const auto made = admission.put(std::move(mesh), {.user = {}, .via = Via::ControlPlane});
    EXPECT_TRUE(made.has_value()) << made.error().message();
  }
  Secret token(DataplaneClaims claims, Duration valid_for = std::chrono::hours(1)) {
    if (claims.mesh.empty()) claims.mesh = "default";
    auto issued = TokenIssuer(secrets, clock).issue(claims, valid_for);
    EXPECT_TRUE(issued.has_value()) << (issued ? "" : issued.error().message());
    return issued ? *issued : Secret();
  }

  ManualClock clock{std::chrono::system_clock::from_time_t(1'700'000'000)};
  KindRegistry kinds;
  MemoryStore store;
  StoreSecrets secrets{store};
  Admission admission{store, kinds, {}, clock};
};

// The document of a Dataplane of one service.
inline std::string dataplane_json(const std::string& name, const std::string& service,
                                  const std::string& mesh = "default", bool probed = false) {
  boost::json::object inbound = {{"port", 8080}, {"servicePort", 5050}, {"tags", {{"kuma.io/service", service}}}};
  if (probed) inbound["serviceProbe"] = {{"tcp", boost::json::object()}};
  return boost::json::serialize(
      boost::json::value{{"type", "Dataplane"},
                         {"mesh", mesh},
                         {"name", name},
                         {"networking", {{"address", "10.0.0.1"}, {"inbound", boost::json::array{inbound}}}}});
}

inline ProxyNode node(const std::string& name, const std::string& dataplane = "", const std::string& mesh = "default") {
  boost::json::object metadata;
  if (!dataplane.empty()) metadata["dataplane.resource"] = dataplane;
  return {.id = {mesh, name},
          .metadata_json = boost::json::serialize(metadata),
          .envoy_version = "1.40.0",
          .envoy_build = ""};
}

inline wire::Headers with_token(const Secret& token, const std::string& prefix = "") {
  wire::Headers headers;
  headers.add("authorization", prefix + token.reveal());
  return headers;
}

// What was heard, as lines. Can be waited for.
class Lines {
 public:
  void add(std::string line) {
    std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  // Everything so far, once there are that many lines (or it takes too long).
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return lines_.size() >= count; });
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

class RecordingLiveness final : public LivenessSink {
 public:
  void on_reporter_connected(const ProxyId& proxy, std::uint64_t, LivenessSource source) override {
    lines.add(name(source) + " of " + proxy.node_id() + " connected");
  }
  void on_reporter_disconnected(const ProxyId& proxy, std::uint64_t, LivenessSource source) override {
    lines.add(name(source) + " of " + proxy.node_id() + " disconnected");
  }
  void on_readiness(const ProxyId& proxy, std::uint64_t, const ReadinessReport& report) override {
    std::string line = name(report.source) + ": " + proxy.node_id() + (report.proxy_ready ? " ready" : " not ready");
    for (const auto port : report.unavailable_ports) line += ", not " + std::to_string(port);
    lines.add(line);
  }
  void on_leaving(const ProxyId& proxy, std::uint64_t, std::move_only_function<void()> withdrawn) override {
    {
      std::lock_guard lock(mutex);
      confirm = std::move(withdrawn);
    }
    lines.add(proxy.node_id() + " leaves");
  }
  Lines lines;
  std::mutex mutex;
  std::move_only_function<void()> confirm;

 private:
  static std::string name(LivenessSource source) {
    return source == LivenessSource::Manager ? "manager" : "health stream";
  }
};

}  // namespace mesh::test
