// What is heard of proxies beside their discovery streams: from our own sidecar manager, which says where its proxy
// stands, and from the health stream of a stock one, whose Envoy probes itself and the application beside it.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "base/ids.h"

namespace mesh {

enum class LivenessSource { Manager, HealthStream };

// One report: which inbounds take connections.
struct ReadinessReport {
  LivenessSource source = LivenessSource::Manager;
  bool proxy_ready = false;  // the proxy itself: its listeners take connections, it does not drain
  std::set<std::uint32_t>
      unavailable_ports;  // inbound ports (networking.inbound[].port) that do not, though the proxy does
  std::string reason;     // for people; may be empty

  friend bool operator==(const ReadinessReport&, const ReadinessReport&) = default;
};

// Called on the strand of the stream in question: hand it over and return. Reports of one stream come in order.
class LivenessSink {
 public:
  virtual ~LivenessSink() = default;
  // A manager or health stream of an authenticated proxy. `session` is unique in this process: a proxy may have a
  // second one before the end of the first is noticed.
  virtual void on_reporter_connected(const ProxyId& proxy, std::uint64_t session, LivenessSource source) = 0;
  virtual void on_reporter_disconnected(const ProxyId& proxy, std::uint64_t session, LivenessSource source) = 0;
  virtual void on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report) = 0;
  // The proxy says goodbye. Take it out of its services; call `withdrawn` once the proxies that can be reached know. It
  // may be called from any thread, once; dropping it says nothing to the manager, which then waits as long as it can.
  virtual void on_leaving(const ProxyId& proxy, std::uint64_t session, std::move_only_function<void()> withdrawn) = 0;
};

}  // namespace mesh
