#include "dpserver/workers.h"

#include <utility>

namespace mesh {

Workers::Workers(int threads, std::size_t max_waiting, std::size_t max_waiting_bytes)
    : max_waiting_(max_waiting), max_waiting_bytes_(max_waiting_bytes) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

Workers::~Workers() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

bool Workers::run(wire::Task task, std::size_t bytes) {
  {
    std::lock_guard lock(mutex_);
    if (waiting_.size() >= max_waiting_ || waiting_bytes_ + bytes > max_waiting_bytes_) return false;
    waiting_bytes_ += bytes;
    waiting_.push_back({std::move(task), bytes});
  }
  arrived_.notify_one();
  return true;
}

void Workers::work(const std::stop_token& stop) {
  while (true) {
    wire::Task task;
    {
      std::unique_lock lock(mutex_);
      if (!arrived_.wait(lock, stop, [&] { return !waiting_.empty(); }) || stop.stop_requested()) return;
      task = std::move(waiting_.front().task);
      waiting_bytes_ -= waiting_.front().bytes;
      waiting_.pop_front();
    }
    task();
  }
}

}  // namespace mesh
