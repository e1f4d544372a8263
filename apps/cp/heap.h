// The C library's heap, for a program whose many threads hand memory to each other.
#pragma once

#include <cstddef>
#include <memory>

#include "wire/event_loop.h"

namespace mesh {

// Before other threads run. Without it nearly each thread gets a heap of its own, and keeps the gaps in it for itself.
void share_heaps();

// Gives the pages back to the system that are free since a storm has passed, as long as somebody holds it.
class HeapTrim : public std::enable_shared_from_this<HeapTrim> {
 public:
  explicit HeapTrim(wire::EventLoop& loop) : strand_(loop.make_strand()) {}
  void start();

 private:
  void look();

  const wire::Strand strand_;
  wire::Timer timer_;
  std::size_t used_ = 0, used_when_trimmed_ = 0;
};

}  // namespace mesh
