// One proxy that is, or was, connected: what it was last given, and what waits to be done for it. The writer thread
// schedules work, one builder thread at a time does it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ads/ads.h"
#include "base/ids.h"
#include "config/proxy_config.h"
#include "pipeline/work.h"

namespace mesh {

// The position of the writer thread: work that is scheduled in a turn sees that turn's picture or a later one.
using Turn = std::uint64_t;

// What the proxy should have, as it was last built.
struct Built {
  std::shared_ptr<const ProxyConfig> config;
  NamedResources secrets;
  std::uint64_t number = 0;  // of the offer that carries it; grows when anything changed
  Turn turn = 0;             // everything up to this turn is in it
  std::uint64_t traits = 0;  // Proxy::traits_number when it was built
};

class Proxy {
 public:
  explicit Proxy(ProxyId proxy) : id(std::move(proxy)) {}

  const ProxyId id;

  std::mutex mutex;  // guards what follows
  Work pending;
  Work owed;  // could not be done, and is to be made up for with the next
  Turn pending_turn = 0;
  bool is_queued = false;  // or being built
  ProxyTraits traits;
  std::uint64_t traits_number = 0;  // grows when they change
  std::vector<StreamId> streams;    // that are open, oldest first
  std::vector<StreamId> unserved;   // those of them that were offered nothing yet
  Built built;
  std::set<std::string> warned;  // what was said in the log of what cannot be
};

}  // namespace mesh
