// A queue between two threads. Values go in at one end from any thread; one thread takes everything that waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

namespace mesh {

// Thread-safe. After close(), put() drops its value and take_all() returns what is left, then an empty list.
//
// Under load a value costs no wake-up: only the first that waits wakes a taker, who then takes everything; and who
// takes one while more wait wakes the next.
template <class T>
class Mailbox {
 public:
  // Returns false when the mailbox is closed and the value was dropped.
  bool put(T value) {
    bool is_first = false;
    {
      std::lock_guard lock(mutex_);
      if (closed_) return false;
      is_first = is_empty_locked() && !is_gathering_;
      waiting_.push_back(std::move(value));
    }
    if (is_first) arrived_.notify_one();
    return true;
  }

  // Blocks until something waits. An empty list means: closed or asked to stop.
  std::vector<T> take_all(std::stop_token stop = {}) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, stop, [&] { return closed_ || !is_empty_locked(); });
    return take_locked();
  }

  // The oldest, for mailboxes that several threads take from. None: closed or asked to stop.
  std::optional<T> take_one(std::stop_token stop = {}) {
    std::optional<T> value;
    bool is_more = false;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, stop, [&] { return closed_ || !is_empty_locked(); });
      if (is_empty_locked() || stop.stop_requested()) return std::nullopt;
      value = std::move(waiting_[first_++]);
      is_more = !is_empty_locked();
      if (!is_more) {
        waiting_.clear();
        first_ = 0;
      }
    }
    if (is_more) arrived_.notify_one();
    return value;
  }

  // The same as take_all, but no longer than until `deadline`: an empty list may also mean that the time has come.
  std::vector<T> take_all_until(std::stop_token stop, std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    arrived_.wait_until(lock, stop, deadline, [&] { return closed_ || !is_empty_locked(); });
    return take_locked();
  }

  // Lets values gather until then, whatever comes. Ends early when closed or asked to stop. For mailboxes that one
  // thread takes from.
  void gather_until(std::stop_token stop, std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    is_gathering_ = true;
    arrived_.wait_until(lock, stop, deadline, [&] { return closed_; });
    is_gathering_ = false;
  }

  // What waits now, without blocking.
  std::vector<T> take_now() {
    std::lock_guard lock(mutex_);
    return take_locked();
  }

  bool is_empty() {
    std::lock_guard lock(mutex_);
    return is_empty_locked();
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
  bool is_empty_locked() const { return first_ == waiting_.size(); }
  std::vector<T> take_locked() {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(std::exchange(first_, 0)));
    return std::exchange(waiting_, {});
  }

  std::mutex mutex_;
  std::condition_variable_any arrived_;
  std::vector<T> waiting_;  // those before first_ are taken
  std::size_t first_ = 0;
  bool is_gathering_ = false;
  bool closed_ = false;
};

}  // namespace mesh
