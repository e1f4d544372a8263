#include "micro/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace mesh::micro {
namespace {

std::atomic<std::uint64_t> count{0}, bytes{0};

}  // namespace

std::uint64_t allocations() { return count.load(std::memory_order_relaxed); }
std::uint64_t allocated_bytes() { return bytes.load(std::memory_order_relaxed); }

}  // namespace mesh::micro

void* operator new(std::size_t size) {
  mesh::micro::count.fetch_add(1, std::memory_order_relaxed);
  mesh::micro::bytes.fetch_add(size, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
