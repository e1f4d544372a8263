// What a server's connections share: who answers, and the limits.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "wire/grpc.h"
#include "wire/http.h"
#include "wire/server.h"

namespace mesh::wire {

struct Service {
  Handler http;
  GrpcServices grpc;
  Limits limits;
  std::shared_ptr<std::atomic<std::size_t>> unfinished_bytes = std::make_shared<std::atomic<std::size_t>>(0);
};

// What one connection holds of requests that are not whole yet, counted with those of the others. For one thread at a
// time.
class Unfinished {
 public:
  static constexpr std::size_t kSmall = 64UL << 10;

  explicit Unfinished(const Service& service)
      : limit_(service.limits.max_unfinished_bytes), all_(service.unfinished_bytes) {}
  ~Unfinished() { set(0); }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  void set(std::size_t bytes) {
    if (bytes >= bytes_) {
      all_->fetch_add(bytes - bytes_, std::memory_order_relaxed);
    } else {
      all_->fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
    }
    bytes_ = bytes;
  }
  std::size_t bytes() const { return bytes_; }
  // May a request that has `size` bytes grow any further?
  bool has_room_for(std::size_t size) const {
    return size <= kSmall || all_->load(std::memory_order_relaxed) <= limit_;
  }

 private:
  const std::size_t limit_;
  const std::shared_ptr<std::atomic<std::size_t>> all_;
  std::size_t bytes_ = 0;
};

}  // namespace mesh::wire
