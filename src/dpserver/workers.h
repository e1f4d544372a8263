// Threads for what may have to wait for the store, so that the threads that serve sockets never do. What waits is
// bounded.
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
  Workers(int threads, std::size_t max_waiting, std::size_t max_waiting_bytes = 256UL << 20);
  ~Workers();  // lets what runs end; what waits is dropped

  // False: too much waits, and the task was not taken. `bytes`: about what it holds of what somebody sent.
  [[nodiscard]] bool run(wire::Task task, std::size_t bytes = 0);

 private:
  void work(const std::stop_token& stop);

  struct Waiting {
    wire::Task task;
    std::size_t bytes = 0;
  };

  const std::size_t max_waiting_, max_waiting_bytes_;
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::vector<std::jthread> threads_;
};

// Two groups: what waits for somebody far away (AWS) never holds up what does not, and only so many of its calls are
// under way at once.
struct WorkerGroups {
  WorkerGroups(int threads, int far_threads, std::size_t max_waiting)
      : near(threads, max_waiting), far(far_threads, max_waiting) {}
  Workers& of(bool would_wait) { return would_wait ? far : near; }

  Workers near, far;
};

}  // namespace mesh
