// Counts frames that cost us work and a peer nothing: pings, settings, resets, empty data. A token bucket; an honest
// peer never empties it, since what it sends follows from what we send it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace mesh::wire {

class FloodGuard {
 public:
  explicit FloodGuard(SteadyTime now) : filled_at_(now) {}

  // False: too much.
  bool spend(double cost, SteadyTime now) {
    double seconds = std::chrono::duration<double>(now - filled_at_).count();
    filled_at_ = now;
    tokens_ = std::min(kMost, tokens_ + seconds * kPerSecond);
    tokens_ -= cost;
    return tokens_ >= 0;
  }
  void earn(double tokens) { tokens_ = std::min(kMost, tokens_ + tokens); }

 private:
  static constexpr double kMost = 1000, kPerSecond = 100;
  double tokens_ = kMost;
  SteadyTime filled_at_;
};

}  // namespace mesh::wire
