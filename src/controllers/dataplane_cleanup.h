// Removes Dataplanes (ZoneIngresses, ZoneEgresses) whose proxies are gone, on a thread of its own: removing waits for
// the store.
#pragma once

#include <functional>
#include <span>
#include <thread>

#include "base/clock.h"
#include "base/mailbox.h"
#include "controllers/offline_proxies.h"
#include "store/store.h"

namespace mesh {

class DataplaneCleanup {
 public:
  // Removes all of these or none. NotFound: one of them is not there any more, which is no failure.
  using Remove = std::function<Status(const std::vector<ResourceKey>&)>;

  // `leads`: whether it is this control plane's turn. Of several that share a store one removes.
  DataplaneCleanup(
      OfflineSettings settings, Store& store, Remove remove, const Clock& clock,
      std::function<bool()> leads = [] { return true; });
  ~DataplaneCleanup();

  // Reads when the proxies of an earlier control plane were last seen.
  Status load();

  using Event = std::move_only_function<void(OfflineProxies&, SteadyTime now)>;
  void tell(Event event);  // thread-safe

  void start();
  std::optional<SteadyTime> step();  // without a thread

 private:
  Status load(ProxyRole type);
  void run(std::stop_token stop);
  std::optional<SteadyTime> take(std::vector<Event> events);
  void remove(std::span<const ProxyId> proxies, SteadyTime now);

  Store& store_;
  const Remove remove_;
  const Clock& clock_;
  const std::function<bool()> leads_;
  OfflineProxies proxies_;
  Mailbox<Event> events_;
  std::jthread thread_;
};

}  // namespace mesh
