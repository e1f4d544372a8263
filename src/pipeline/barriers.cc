#include "pipeline/barriers.h"

#include <algorithm>
#include <utility>

namespace mesh {

bool Progress::has(XdsType type, Turn turn) const {
  if (built < turn) return false;
  if (type == XdsType::Secret && !has_secrets) return true;
  if (type == XdsType::Endpoint && !has_services) return true;
  const auto found = held.find(type);
  return found != held.end() && found->second >= number;
}

void Barriers::add(Barrier barrier) {
  if (!barrier.key.empty()) std::erase_if(barriers_, [&](const Barrier& other) { return other.key == barrier.key; });
  barriers_.push_back(std::move(barrier));
}

void Barriers::on_progress(const ProxyId& proxy, const Progress& progress) {
  for (Barrier& barrier : barriers_) {
    const auto found = barrier.waiting.find(proxy);
    if (found != barrier.waiting.end() && progress.has(barrier.type, found->second)) barrier.waiting.erase(found);
  }
}

void Barriers::on_gone(const ProxyId& proxy) {
  for (Barrier& barrier : barriers_) barrier.waiting.erase(proxy);
}

std::optional<SteadyTime> Barriers::settle(SteadyTime now) {
  std::list<Barrier> ready;
  for (auto at = barriers_.begin(); at != barriers_.end();) {
    const auto here = at++;
    if (here->waiting.empty() || here->deadline <= now) ready.splice(ready.end(), barriers_, here);
  }
  for (Barrier& barrier : ready) barrier.done();  // may add others
  std::optional<SteadyTime> next;
  for (const Barrier& barrier : barriers_) next = std::min(next.value_or(barrier.deadline), barrier.deadline);
  return next;
}

}  // namespace mesh
