// The C library's heap, for a program whose many threads hand memory to each other.
#pragma once

#include <memory>

#include "wire/event_loop.h"

namespace mesh {

// Before other threads run. Without it nearly each thread gets a heap of its own, and keeps the gaps in it for itself.
void share_heaps();

// Once a storm has passed, gives back to the system the pages of the heap that are free, and those of program files,
// most of which only the start or the storm needed, or nobody: the kernel maps sixteen for each that is used. What is
// used again comes from its cache. As long as somebody holds it.
class HeapTrim : public std::enable_shared_from_this<HeapTrim> {
 public:
  explicit HeapTrim(wire::EventLoop& loop) : strand_(loop.make_strand()) {}
  void start();

 private:
  void look();

  const wire::Strand strand_;
  wire::Timer timer_;
  long pages_ = 0, pages_when_trimmed_ = 0;
};

}  // namespace mesh
