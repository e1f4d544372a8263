// Threads for what may have to wait for the store, so that the threads that serve sockets never do. What waits is bounded.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "wire/event_loop.h"

namespace mesh {

// Thread-safe.
class Workers {
 public:
  Workers(int threads, std::size_t max_waiting);
  ~Workers();  // lets what runs end; what waits is dropped

  // False: too much waits, and the task was not taken.
  [[nodiscard]] bool run(wire::Task task);

 private:
  void work(const std::stop_token& stop);

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<wire::Task> waiting_;
  std::vector<std::jthread> threads_;
};

}  // namespace mesh
