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
  if (!barrier.key.empty())
    for (Place next = barriers_.begin(); next != barriers_.end();) {
      const Place here = next++;
      if (here->key != barrier.key) continue;
      forget(here);
      barriers_.erase(here);
    }
  const Place place = barriers_.insert(barriers_.end(), std::move(barrier));
  for (const auto& [proxy, turn] : place->waiting) waits_for_[proxy].push_back(place);
}

void Barriers::on_progress(const ProxyId& proxy, const Progress& progress) {
  let_go(proxy, [&](const Barrier& barrier, Turn turn) { return progress.has(barrier.type, turn); });
}

void Barriers::on_gone(const ProxyId& proxy) {
  let_go(proxy, [](const Barrier&, Turn) { return true; });
}

void Barriers::let_go(const ProxyId& proxy, const std::function<bool(const Barrier&, Turn)>& has_it) {
  const auto found = waits_for_.find(proxy);
  if (found == waits_for_.end()) return;
  std::erase_if(found->second, [&](const Place& place) {
    const auto waits = place->waiting.find(proxy);
    if (!has_it(*place, waits->second)) return false;
    place->waiting.erase(waits);
    return true;
  });
  if (found->second.empty()) waits_for_.erase(found);
}

void Barriers::forget(Place place) {
  for (const auto& [proxy, turn] : place->waiting) {
    const auto found = waits_for_.find(proxy);
    std::erase(found->second, place);
    if (found->second.empty()) waits_for_.erase(found);
  }
}

std::optional<SteadyTime> Barriers::settle(SteadyTime now) {
  std::list<Barrier> ready;
  for (auto at = barriers_.begin(); at != barriers_.end();) {
    const auto here = at++;
    if (!here->waiting.empty() && here->deadline > now) continue;
    forget(here);
    ready.splice(ready.end(), barriers_, here);
  }
  for (Barrier& barrier : ready) barrier.done();  // may add others
  std::optional<SteadyTime> next;
  for (const Barrier& barrier : barriers_) next = std::min(next.value_or(barrier.deadline), barrier.deadline);
  return next;
}

}  // namespace mesh
