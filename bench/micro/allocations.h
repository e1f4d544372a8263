// How often memory was asked for: counted by this program's own operator new.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>

namespace mesh::micro {

std::uint64_t allocations();  // so far, by all threads
std::uint64_t allocated_bytes();

// Reports what was allocated in each iteration from its making to its end. Pause it with the timer.
class CountsAllocations {
 public:
  explicit CountsAllocations(benchmark::State& state, double per_iteration = 1)
      : state_(state), per_iteration_(per_iteration), count_(allocations()), bytes_(allocated_bytes()) {}
  ~CountsAllocations() {
    const auto iterations = static_cast<double>(state_.iterations()) * per_iteration_;
    if (iterations == 0) return;
    state_.counters["allocations"] = static_cast<double>(allocations() - count_ - paused_count_) / iterations;
    state_.counters["bytes"] = static_cast<double>(allocated_bytes() - bytes_ - paused_bytes_) / iterations;
  }
  CountsAllocations(const CountsAllocations&) = delete;
  CountsAllocations& operator=(const CountsAllocations&) = delete;

  template <class Work>
  void without(Work work) {
    state_.PauseTiming();
    const std::uint64_t count = allocations(), bytes = allocated_bytes();
    work();
    paused_count_ += allocations() - count;
    paused_bytes_ += allocated_bytes() - bytes;
    state_.ResumeTiming();
  }

 private:
  benchmark::State& state_;
  const double per_iteration_;
  const std::uint64_t count_, bytes_;
  std::uint64_t paused_count_ = 0, paused_bytes_ = 0;
};

}  // namespace mesh::micro
