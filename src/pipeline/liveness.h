// Which proxies may get traffic: the one judgement that everybody's endpoint sets follow. A pure state machine: events
// and the time go in, changes and the next deadline come out. It knows neither sockets nor snapshots.
//
// A proxy is live once its Envoy has acknowledged its listeners and secrets and its inbound answered a probe: of its
// own sidecar manager, or over the health discovery stream. One that nobody probes (a bare Envoy) is taken as live a
// while after its acknowledgements. A Dataplane whose proxy never connected gets no traffic.
//
// It stops being live
//   at once   when it says goodbye, when it or a probe of it says that it is not ready, when its Dataplane goes. But
//             the last that serves, while another is on its way, stays until that one serves (`relief`): it serves
//             on meanwhile, and a deployment that replaces it one to one has no gap;
//   soon      when both its manager and its Envoy are cut off (`both_gone`), later when only one is, or when it has no
//             manager that we know of (`one_gone`);
//   after our own restart, when it has not come back for `restart`.
// Of a proxy that is connected to another control plane of the same store that one is the judge; it is followed as long
// as it is alive itself. When it is not, its proxies have the time of a restart (`restart`) to come to somebody else,
// each of their streams, in whatever order.
// The slow ways are guarded by a floor, for most often it is us, or the network, and not them: of one service at most
// half of the endpoints (but at least one) leave silently within `floor_window`, and the last of several never does.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "dpserver/liveness.h"
#include "snapshot/fold.h"

namespace mesh {

struct LivenessSettings {
  Duration both_gone = std::chrono::milliseconds(900);  // so that callers hear of it within a second
  Duration one_gone = std::chrono::seconds(10);
  Duration restart = std::chrono::seconds(30);
  Duration floor_window = std::chrono::seconds(10);
  Duration unprobed = std::chrono::seconds(5);        // after the acknowledgements, when nobody probes
  Duration relief = std::chrono::milliseconds(1500);  // shorter than applications go on after they heard SIGTERM
};

class Liveness {
 public:
  explicit Liveness(LivenessSettings settings) : settings_(settings) {}

  // Streams and sessions have numbers, for a second one may be there before the end of the first is noticed.
  void on_envoy_connected(const ProxyId& proxy, std::uint64_t stream, SteadyTime now);
  void on_envoy_disconnected(const ProxyId& proxy, std::uint64_t stream, SteadyTime now);
  void on_acknowledged(const ProxyId& proxy, SteadyTime now);  // listeners and secrets: all of them
  void on_reporter_connected(const ProxyId& proxy, std::uint64_t session, LivenessSource source, SteadyTime now);
  void on_reporter_disconnected(const ProxyId& proxy, std::uint64_t session, LivenessSource source, SteadyTime now);
  void on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report, SteadyTime now);
  void on_leaving(const ProxyId& proxy, SteadyTime now);
  // What its Dataplane offers; none when there is no such Dataplane any more.
  void on_services(const ProxyId& proxy, std::optional<std::set<std::string>> services, SteadyTime now);
  // It was live when this control plane last stopped.
  void restore(const ProxyId& proxy, SteadyTime now);

  // Another control plane has, or had, its newest connection. None: we have.
  struct Elsewhere {
    std::string instance;
    bool live = false;
  };
  void on_elsewhere(const ProxyId& proxy, std::optional<Elsewhere> elsewhere, SteadyTime now);
  void on_others(std::set<std::string> alive, SteadyTime now);  // control planes

  struct Step {
    std::vector<LivenessChange> changes;  // since the last step, in the order in which they happened
    std::optional<SteadyTime> next;       // when to call again if nothing happens before
  };
  Step step(SteadyTime now);

  bool is_live(const ProxyId& proxy) const;
  bool is_waiting_for_relief(const ProxyId& proxy) const;  // it said goodbye, and is still an endpoint
  std::size_t live_count() const { return live_count_; }

 private:
  struct Link {
    bool known = false;  // it was open once
    std::set<std::uint64_t> open;
    SteadyTime lost{};
    bool lost_by_restart = false;         // of ours: its end does not know yet
    std::optional<ReadinessReport> said;  // by the newest session

    bool is_lost() const { return known && open.empty(); }
    bool says(bool ready) const { return said && said->proxy_ready == ready; }
  };
  struct Record {
    Link envoy, manager, health;
    bool acknowledged = false;
    SteadyTime acknowledged_at{};
    std::set<std::uint32_t> unavailable_ports;
    bool leaving = false;
    SteadyTime leaves_at{};  // then at the latest
    bool restored = false;   // nothing was heard of it since our start
    bool live = false;
    bool left_silently = false;  // and has not come back
    std::set<std::string> services;
    bool has_dataplane = false;
    std::optional<Elsewhere> elsewhere;
    std::optional<SteadyTime> due;
  };
  struct Service {
    std::set<ProxyId> proxies;
    std::vector<SteadyTime> departures;  // silent ones
    std::set<ProxyId> waiting;           // for what others of the service do
  };
  using ServiceKey = std::pair<std::string, std::string>;  // mesh, service

  void judge(const ProxyId& proxy, Record& record, SteadyTime now);
  void set_live(const ProxyId& proxy, Record& record, bool live);
  void wake_fellows(const ProxyId& proxy, const Record& record);
  void wait_for_fellows(const ProxyId& proxy, const Record& record);
  bool must_wait_for_relief(const ProxyId& proxy, const Record& record, SteadyTime now) const;
  void set_due(const ProxyId& proxy, Record& record, std::optional<SteadyTime> due);
  static const Link& who_counts(const Record& record);
  static bool somebody_probes(const Record& record);
  static bool is_refused(const Record& record);
  bool follows_another(const Record& record) const;
  bool is_connected(const Record& record) const;  // its Envoy, to us or to another control plane
  bool is_ready(const Record& record, SteadyTime now) const;
  std::optional<SteadyTime> silence_ends(const Record& record) const;
  std::optional<SteadyTime> floor_holds_until(const ProxyId& proxy, const Record& record, SteadyTime now);
  void forget_if_unknown(const ProxyId& proxy);

  LivenessSettings settings_;
  std::set<std::string> others_;
  std::map<ProxyId, Record> records_;
  std::map<ServiceKey, Service> services_;
  std::set<std::pair<SteadyTime, ProxyId>> due_;
  std::vector<LivenessChange> changes_;
  std::size_t live_count_ = 0;
};

}  // namespace mesh
