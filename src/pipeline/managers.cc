#include "pipeline/managers.h"

#include <utility>
#include <vector>

namespace mesh {
namespace {

// Sessions of our own have numbers from one: a manager that comes here counts more than what was written down.
constexpr std::uint64_t kElsewhere = 0;

}  // namespace

void Managers::on_connected(const ProxyId& proxy, std::uint64_t session, SystemTime now) {
  Here& here = here_[proxy];
  here = {session, {}};
  here.word.instance = instance_id_;
  here.word.since = now;
  tell(proxy, &here);
}

void Managers::on_disconnected(const ProxyId& proxy, std::uint64_t session) {
  const auto found = here_.find(proxy);
  if (found == here_.end() || found->second.session != session) return;
  here_.erase(found);
  tell(proxy, nullptr);
}

void Managers::on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report) {
  const auto found = here_.find(proxy);
  if (found == here_.end() || found->second.session != session) return;
  ManagerWord& word = found->second.word;
  ManagerWord next = word;
  next.ready = report.proxy_ready;
  next.unavailable_ports.assign(report.unavailable_ports.begin(), report.unavailable_ports.end());
  if (next == word) return;
  word = std::move(next);
  tell(proxy, &found->second);
}

void Managers::on_leaving(const ProxyId& proxy) {
  const auto found = here_.find(proxy);
  if (found == here_.end()) return;
  found->second.word.leaving = true;
  tell(proxy, &found->second);
}

bool Managers::on_stored(const ProxyId& proxy, const ManagerWord* word, Liveness& liveness, SteadyTime now) {
  if (word == nullptr || word->instance == instance_id_ || !others_.contains(word->instance)) {
    forget_elsewhere(proxy, liveness, now);
    return false;
  }
  const auto [known, is_new] = elsewhere_.try_emplace(proxy);
  if (!is_new && known->second == *word) return false;
  const ManagerWord before = std::exchange(known->second, *word);
  if (is_new || before.since != word->since)
    liveness.on_reporter_connected(proxy, kElsewhere, LivenessSource::Manager, now);
  if (word->ready)
    liveness.on_readiness(
        proxy, kElsewhere,
        {LivenessSource::Manager, *word->ready, {word->unavailable_ports.begin(), word->unavailable_ports.end()}, ""},
        now);
  const bool said_goodbye = word->leaving && (is_new || !before.leaving || before.since != word->since);
  if (said_goodbye) liveness.on_leaving(proxy, now);
  return said_goodbye;
}

void Managers::on_others(const std::set<std::string>& alive, Liveness& liveness, SteadyTime now) {
  const bool had_none = others_.empty();
  others_ = alive;
  if (had_none && !others_.empty())
    for (const auto& [proxy, here] : here_) tell(proxy, &here);
  std::vector<ProxyId> gone;
  for (const auto& [proxy, word] : elsewhere_)
    if (!others_.contains(word.instance)) gone.push_back(proxy);
  for (const ProxyId& proxy : gone) forget_elsewhere(proxy, liveness, now);
}

// While there is nobody to read it, nothing is written down.
void Managers::tell(const ProxyId& proxy, const Here* here) const {
  if (others_.empty()) return;
  tell_(proxy, here == nullptr ? std::nullopt : std::optional(here->word));
}

void Managers::forget_elsewhere(const ProxyId& proxy, Liveness& liveness, SteadyTime now) {
  if (elsewhere_.erase(proxy) > 0) liveness.on_reporter_disconnected(proxy, kElsewhere, LivenessSource::Manager, now);
}

}  // namespace mesh
