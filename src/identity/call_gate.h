// Keeps calls to a service within limits, and stays away from it while it does not answer: the first call after a pause
// that grows goes alone, the others are told at once what is down.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace mesh {

class TokenBucket {
 public:
  TokenBucket(double per_second, double most, SteadyTime now)
      : per_second_(per_second), most_(most), tokens_(most), at_(now) {}
  bool has_any(SteadyTime now);
  bool take(SteadyTime now);  // false: there is none
  bool is_full(SteadyTime now);

 private:
  void fill(SteadyTime now);
  double per_second_, most_, tokens_;
  SteadyTime at_;
};

// Thread-safe.
class CallGate {
 public:
  struct Limits {
    double per_second = 100, burst = 1000;
    Duration first_pause = std::chrono::seconds(1), longest_pause = std::chrono::seconds(30);
  };
  CallGate(std::string service, const Clock& clock, Limits limits);

  // Unavailable: the call must not be made now.
  Status enter();
  // After each call that entered. `outcome` Unavailable: it did not answer, or asked us to slow down.
  void leave(const Status& outcome);
  std::uint64_t held_back() const;  // how often enter() said no

 private:
  Status check_open(SteadyTime now);

  const std::string service_;
  const Clock& clock_;
  const Limits limits_;
  mutable std::mutex mutex_;
  std::uint64_t held_back_ = 0;
  TokenBucket bucket_;
  Duration pause_{};
  SteadyTime closed_until_{};
  bool is_probing_ = false;
  std::string last_problem_;
};

// Counts what sources (addresses) do wrong; a source that does too much of it is not listened to for a while.
class Misbehaviour {
 public:
  Misbehaviour(const Clock& clock, double per_second, double most)
      : clock_(clock), per_second_(per_second), most_(most) {}
  bool is_too_much(const std::string& source);
  void note(const std::string& source);

 private:
  static constexpr std::size_t kMaxSources = 10'000;
  const Clock& clock_;
  const double per_second_, most_;
  std::mutex mutex_;
  std::map<std::string, TokenBucket> sources_;
};

}  // namespace mesh
