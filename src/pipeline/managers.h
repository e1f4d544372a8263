// What sidecar managers say, when a proxy's Envoy and its manager are connected to different control planes: the one
// writes down what it hears, and all others take it as if they had heard it themselves. The writer's, and on its
// thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "model/insight.h"
#include "pipeline/liveness.h"

namespace mesh {

class Managers {
 public:
  // `tell` hands what is to be written down to the proxy's insight; none: its manager is not here any more.
  using Tell = std::function<void(const ProxyId&, std::optional<ManagerWord>)>;
  Managers(std::string instance_id, Tell tell) : instance_id_(std::move(instance_id)), tell_(std::move(tell)) {}

  // Of managers that are connected here.
  void on_connected(const ProxyId& proxy, std::uint64_t session, SystemTime now);
  void on_disconnected(const ProxyId& proxy, std::uint64_t session);
  void on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report);
  void on_leaving(const ProxyId& proxy);

  // What is written down of one; null: nothing. Returns whether the proxy said goodbye by it.
  bool on_stored(const ProxyId& proxy, const ManagerWord* word, Liveness& liveness, SteadyTime now);
  void on_others(const std::set<std::string>& alive, Liveness& liveness, SteadyTime now);

 private:
  struct Here {
    std::uint64_t session = 0;
    ManagerWord word;
  };
  void tell(const ProxyId& proxy, const Here* here) const;
  void forget_elsewhere(const ProxyId& proxy, Liveness& liveness, SteadyTime now);

  const std::string instance_id_;
  const Tell tell_;
  std::set<std::string> others_;
  std::map<ProxyId, Here> here_;
  std::map<ProxyId, ManagerWord> elsewhere_;
};

}  // namespace mesh
