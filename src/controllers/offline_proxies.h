// Which Dataplanes are to be removed because their proxy is gone: those that a proxy registered itself, shortly after
// it left; every other one when its proxy has been offline for long. Events and the time go in, names come out.
//
// A proxy that was merely cut off keeps its Dataplane for as long as it may get traffic (see pipeline/liveness.h), so
// that an outage of ours does not delete what it cannot see.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace mesh {

struct OfflineSettings {
  Duration after_goodbye = std::chrono::seconds(1);
  // Of a proxy that registered itself, since it is both offline and without traffic: one that was given up late, since
  // the control plane that it was connected to was cut off, may be on its way to us.
  Duration after_silence = std::chrono::seconds(10);
  Duration after_all = std::chrono::hours(72);  // of any other; zero: never
};

class OfflineProxies {
 public:
  explicit OfflineProxies(OfflineSettings settings) : settings_(settings) {}

  void on_connected(const ProxyId& proxy, bool registered_itself);
  void on_disconnected(const ProxyId& proxy, SteadyTime now);  // its last stream
  void on_live(const ProxyId& proxy, bool live, SteadyTime now);
  void on_leaving(const ProxyId& proxy);
  // What another control plane says of a proxy that came to it last.
  struct Elsewhere {
    bool is_ours = false;      // it came to us since
    std::string connected_to;  // that control plane; empty: to none any more
    bool leaving = false;      // it said goodbye, and is still connected
    bool registered_itself = false;
  };
  void on_elsewhere(const ProxyId& proxy, const Elsewhere& seen, SteadyTime now);
  void on_others(const std::set<std::string>& alive, SteadyTime now);  // control planes
  void on_removed(const ProxyId& proxy);                               // its Dataplane is no more
  // From an earlier control plane: it was last seen `ago`.
  void load(const ProxyId& proxy, bool registered_itself, Duration ago, SteadyTime now);

  struct Step {
    std::vector<ProxyId> remove;
    std::optional<SteadyTime> next;
  };
  Step step(SteadyTime now);

 private:
  struct Record {
    bool connected = false, registered_itself = false, live = false, left = false;
    std::string elsewhere;                                // the other control plane that it is connected to
    std::optional<SteadyTime> offline_since, idle_since;  // idle: it got traffic once, and does not any more
  };
  std::optional<SteadyTime> due_of(const Record& record) const;
  void judge(const ProxyId& proxy);

  OfflineSettings settings_;
  std::map<ProxyId, Record> records_;
  std::map<ProxyId, SteadyTime> due_of_;
  std::set<std::pair<SteadyTime, ProxyId>> due_;
};

}  // namespace mesh
