// The newest value of something that one thread makes and others read: a snapshot, a certificate, a setting. Readers
// get a finished, immutable object and keep it as long as they like.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

namespace mesh {

// Thread-safe. A lock and not std::atomic<std::shared_ptr>: that of GCC 12 has a data race.
template <class T>
class Published {
 public:
  Published() = default;
  explicit Published(std::shared_ptr<const T> first) : newest_(std::move(first)) {}

  std::shared_ptr<const T> get() const {
    std::lock_guard lock(mutex_);
    return newest_;
  }

  void set(std::shared_ptr<const T> value) {
    std::lock_guard lock(mutex_);
    newest_.swap(value);  // the old one is released outside the lock, when `value` goes
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> newest_;
};

}  // namespace mesh
