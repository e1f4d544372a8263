// Lets streams wait for a Dataplane that is about to be registered: Envoy opens its discovery and its health stream at
// the same time, and the manager its report stream, in no order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "wire/event_loop.h"

namespace mesh {

// Thread-safe.
class Arrivals {
 public:
  using Ticket = std::uint64_t;  // 0: none

  // Runs `task` when the Dataplane is announced, on the thread that announces it. 0: too many wait.
  [[nodiscard]] Ticket wait_for(const ProxyId& proxy, wire::Task task) {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMaxWaiting) return 0;
    waiting_.emplace(std::pair(proxy, ++last_ticket_), std::move(task));
    return last_ticket_;
  }

  void announce(const ProxyId& proxy) {
    std::vector<wire::Task> tasks;
    {
      std::lock_guard lock(mutex_);
      for (auto at = waiting_.lower_bound({proxy, 0}); at != waiting_.end() && at->first.first == proxy;
           at = waiting_.erase(at)) {
        tasks.push_back(std::move(at->second));
      }
    }
    for (auto& task : tasks) task();
  }

  // Runs the tasks of all who wait, so that they look again.
  void announce_all() {
    std::map<std::pair<ProxyId, Ticket>, wire::Task> tasks;
    {
      std::lock_guard lock(mutex_);
      tasks.swap(waiting_);
    }
    for (auto& [who, task] : tasks) task();
  }

  void cancel(const ProxyId& proxy, Ticket ticket) {
    std::lock_guard lock(mutex_);
    waiting_.erase({proxy, ticket});
  }

 private:
  static constexpr std::size_t kMaxWaiting = 20'000;

  std::mutex mutex_;
  std::map<std::pair<ProxyId, Ticket>, wire::Task> waiting_;
  Ticket last_ticket_ = 0;
};

}  // namespace mesh
