#include "cp/heap.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>

namespace mesh {
namespace {

constexpr int kHeaps = 2;
constexpr Duration kPause = std::chrono::seconds(10);

bool is_about(std::size_t a, std::size_t b) {
  const auto [small, large] = std::minmax(a, b);
  return large - small <= std::max<std::size_t>(large / 50, 64UL << 10);
}

}  // namespace

void share_heaps() {
  mallopt(M_ARENA_MAX, kHeaps);
  mallopt(M_MXFAST, 0);  // what is let go joins its neighbours at once; threads keep the small ones ready all the same
}

void HeapTrim::start() {
  timer_ = strand_.after(kPause, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look();
  });
}

// While much comes and goes, what is free is wanted again. Once it has become calm, and there is more or less of it
// than when we did it last, it is worth the walk.
void HeapTrim::look() {
  const std::size_t used = mallinfo2().uordblks;
  const bool is_calm = is_about(used, used_);
  used_ = used;
  if (is_calm && !is_about(used, used_when_trimmed_)) {
    malloc_trim(0);
    used_when_trimmed_ = used;
  }
  start();
}

}  // namespace mesh
