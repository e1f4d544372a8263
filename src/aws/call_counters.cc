#include "aws/call_counters.h"

#include <algorithm>

namespace mesh::aws {

void CallCounters::note(const std::string& operation, CallResult result, Duration took) {
  const double seconds = std::chrono::duration<double>(took).count();
  const auto slot = std::ranges::lower_bound(kBounds, seconds) - kBounds.begin();
  std::lock_guard lock(mutex_);
  Operation& counted = operations_[operation];
  counted.name = operation;
  ++counted.results.at(static_cast<std::size_t>(result));
  ++counted.slots.at(static_cast<std::size_t>(slot));
  counted.seconds += seconds;
}

std::vector<CallCounters::Operation> CallCounters::operations() const {
  std::vector<Operation> out;
  std::lock_guard lock(mutex_);
  for (const auto& [name, operation] : operations_) out.push_back(operation);
  return out;
}

}  // namespace mesh::aws
