// A few threads that may wait for a disk, so that the threads of the event loop never do.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace mesh::api {

using Job = std::move_only_function<void()>;

// Thread-safe. Destroying it drops what waits and finishes what runs.
class WorkerPool {
 public:
  WorkerPool(int threads, std::size_t max_waiting);
  ~WorkerPool();
  // False: too many wait already; `job` is left alone.
  bool try_run(Job& job);

 private:
  void work(std::stop_token stop);

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::deque<Job> waiting_;
  std::vector<std::jthread> threads_;  // last, so that it goes first
};

}  // namespace mesh::api
