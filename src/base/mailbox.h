// A queue between two threads. Values go in at one end from any thread; one thread takes everything that waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

namespace mesh {

// Thread-safe. After close(), put() drops its value and take_all() returns what is left, then an empty list.
template <class T>
class Mailbox {
 public:
  // Returns false when the mailbox is closed and the value was dropped.
  bool put(T value) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return false;
      waiting_.push_back(std::move(value));
    }
    arrived_.notify_one();
    return true;
  }

  // Blocks until something waits. An empty list means: closed or asked to stop.
  std::vector<T> take_all(std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, stop, [&] { return closed_ || !waiting_.empty(); });
    return std::exchange(waiting_, {});
  }

  // The oldest, for mailboxes that several threads take from. None: closed or asked to stop.
  std::optional<T> take_one(std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, stop, [&] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty() || stop.stop_requested()) return std::nullopt;
    T value = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return value;
  }

  // The same as take_all, but no longer than until `deadline`: an empty list may also mean that the time has come.
  std::vector<T> take_all_until(std::stop_token stop, std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    arrived_.wait_until(lock, stop, deadline, [&] { return closed_ || !waiting_.empty(); });
    return std::exchange(waiting_, {});
  }

  // What waits now, without blocking.
  std::vector<T> take_now() {
    std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }

  bool is_empty() {
    std::lock_guard lock(mutex_);
    return waiting_.empty();
  }

  bool is_closed() {
    std::lock_guard lock(mutex_);
    return closed_;
  }

  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    arrived_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::vector<T> waiting_;
  bool closed_ = false;
};

}  // namespace mesh
