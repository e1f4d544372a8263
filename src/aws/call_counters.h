// What calls to AWS come to: how many of which operation, how they ended, how long they took.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace mesh::aws {

enum class CallResult { Ok, Refused, Throttled, Unavailable };

// Thread-safe.
class CallCounters {
 public:
  static constexpr std::array<double, 7> kBounds = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};  // seconds

  struct Operation {
    std::string name;
    std::array<std::uint64_t, 4> results{};                 // by CallResult
    std::array<std::uint64_t, kBounds.size() + 1> slots{};  // by how long it took; the last: longer than all bounds
    double seconds = 0;

    std::uint64_t calls() const { return results[0] + results[1] + results[2] + results[3]; }
    std::uint64_t of(CallResult result) const { return results.at(static_cast<std::size_t>(result)); }
  };

  void note(const std::string& operation, CallResult result, Duration took);
  std::vector<Operation> operations() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Operation> operations_;
};

}  // namespace mesh::aws
