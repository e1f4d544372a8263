// Things to do once certain proxies have what they were just given: a goodbye is confirmed when the callers know, the
// next step of a change of CA begins when everybody has taken this one. Each waits for so long and no longer.
// One thread.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "ads/ads.h"
#include "base/clock.h"
#include "base/ids.h"
#include "pipeline/proxy.h"

namespace mesh {

// How far one proxy has come, as the writer thread knows it.
struct Progress {
  Turn scheduled = 0;        // the last turn that made work for it
  Turn built = 0;            // what it was last built for
  std::uint64_t number = 0;  // the offer that came of it
  bool has_secrets = false, has_services = false;
  std::map<XdsType, std::uint64_t> held;  // by its newest stream: the last offer of which it has everything

  // Has it everything of this type that was made for it up to `turn`?
  bool has(XdsType type, Turn turn) const;
};

class Barriers {
 public:
  struct Barrier {
    std::string key;  // not empty: replaces the one with the same key
    XdsType type = XdsType::Endpoint;
    std::map<ProxyId, Turn> waiting;
    SteadyTime deadline{};
    std::move_only_function<void()> done;
  };

  void add(Barrier barrier);
  // Costs what the barriers that wait for this proxy cost, and not all there are.
  void on_progress(const ProxyId& proxy, const Progress& progress);
  void on_gone(const ProxyId& proxy);  // cut off, or it cannot be built: nobody waits for it
  // Carries out what has come about. Returns the next deadline.
  std::optional<SteadyTime> settle(SteadyTime now);
  std::size_t size() const { return barriers_.size(); }

 private:
  using Place = std::list<Barrier>::iterator;
  void let_go(const ProxyId& proxy, const std::function<bool(const Barrier&, Turn)>& has_it);
  void forget(Place place);  // nothing leads to it any more

  std::list<Barrier> barriers_;
  std::unordered_map<ProxyId, std::vector<Place>> waits_for_;
};

}  // namespace mesh
