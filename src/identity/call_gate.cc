#include "identity/call_gate.h"

#include <algorithm>

#include "base/random.h"

namespace mesh {
namespace {

// Shorter by up to a quarter, so that several control planes do not come back together.
Duration with_jitter(Duration pause) {
  const auto random = static_cast<unsigned char>(random_bytes(1).front());
  return pause - pause / 1024 * random;
}

}  // namespace

void TokenBucket::fill(SteadyTime now) {
  tokens_ = std::min(most_, tokens_ + per_second_ * std::chrono::duration<double>(now - at_).count());
  at_ = now;
}
bool TokenBucket::has_any(SteadyTime now) {
  fill(now);
  return tokens_ >= 1;
}
bool TokenBucket::take(SteadyTime now) {
  if (!has_any(now)) return false;
  tokens_ -= 1;
  return true;
}
bool TokenBucket::is_full(SteadyTime now) {
  fill(now);
  return tokens_ >= most_;
}

CallGate::CallGate(std::string service, const Clock& clock, Limits limits)
    : service_(std::move(service)),
      clock_(clock),
      limits_(limits),
      bucket_(limits.per_second, limits.burst, clock.steady()) {}

Status CallGate::enter() {
  std::lock_guard lock(mutex_);
  Status open = check_open(clock_.steady());
  if (open)
    is_probing_ = pause_ > Duration::zero();
  else
    ++held_back_;
  return open;
}

Status CallGate::check_open(SteadyTime now) {
  if (now < closed_until_ || is_probing_)
    return error(ErrorKind::Unavailable,
                 service_ + " does not answer at the moment (" + last_problem_ + "); try again later");
  if (!bucket_.take(now))
    return error(ErrorKind::Unavailable, "too many calls to " + service_ + " at once; try again later");
  return {};
}

std::uint64_t CallGate::held_back() const {
  std::lock_guard lock(mutex_);
  return held_back_;
}

void CallGate::leave(const Status& outcome) {
  std::lock_guard lock(mutex_);
  is_probing_ = false;
  if (outcome || outcome.error().kind != ErrorKind::Unavailable) {
    pause_ = Duration::zero();
    return;
  }
  last_problem_ = outcome.error().text;
  // Calls that failed together count once.
  if (clock_.steady() < closed_until_) return;
  pause_ = pause_ == Duration::zero() ? limits_.first_pause : std::min(pause_ * 2, limits_.longest_pause);
  closed_until_ = clock_.steady() + with_jitter(pause_);
}

bool Misbehaviour::is_too_much(const std::string& source) {
  if (source.empty()) return false;
  std::lock_guard lock(mutex_);
  const auto found = sources_.find(source);
  return found != sources_.end() && !found->second.has_any(clock_.steady());
}

void Misbehaviour::note(const std::string& source) {
  if (source.empty()) return;
  std::lock_guard lock(mutex_);
  const SteadyTime now = clock_.steady();
  if (sources_.size() >= kMaxSources) {
    for (auto at = sources_.begin(); at != sources_.end();)
      at = at->second.is_full(now) ? sources_.erase(at) : std::next(at);
    if (sources_.size() >= kMaxSources) sources_.erase(sources_.begin());
  }
  sources_.try_emplace(source, per_second_, most_, now).first->second.take(now);
}

}  // namespace mesh
