// Time, as something handed in. Only `base` reads the machine's clock, so that every other room can be tested with a
// clock that stands still until the test moves it.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh {

using SystemTime = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SystemTime now() const = 0;     // wall time, for certificates, tokens and what people read
  virtual SteadyTime steady() const = 0;  // for measuring and for deadlines
};

// The machine's clock. One instance serves the whole process.
Clock& real_clock();

// Stands still until told otherwise.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(SystemTime start) : now_(start) {}
  SystemTime now() const override;
  SteadyTime steady() const override;
  void advance(Duration by);

 private:
  mutable std::mutex mutex_;
  SystemTime now_;
  SteadyTime steady_{};
};

// RFC 3339 in UTC with nanoseconds as needed: 2026-11-23T20:59:12.785276401Z
std::string format_time(SystemTime time);
Result<SystemTime> parse_time(std::string_view text);

// Durations as the field writes them ("5s", "1h30m", "250ms", "1.5s"; Go's syntax). Negative values are accepted.
Result<Duration> parse_duration(std::string_view text);
std::string format_duration(Duration duration);  // "1h0m0s", "5s", "250ms"

}  // namespace mesh
