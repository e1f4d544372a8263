#include "pipeline/liveness.h"

#include <algorithm>
#include <utility>

namespace mesh {
namespace {

constexpr auto kNever = SteadyTime::max();

}  // namespace

void Liveness::on_envoy_connected(const ProxyId& proxy, std::uint64_t stream, SteadyTime now) {
  Record& record = records_[proxy];
  record.envoy.known = true;
  record.envoy.open.insert(stream);
  record.elsewhere.reset();
  record.envoy.lost_by_restart = false;
  record.restored = false;
  judge(proxy, record, now);
}

void Liveness::on_envoy_disconnected(const ProxyId& proxy, std::uint64_t stream, SteadyTime now) {
  Record& record = records_[proxy];
  record.envoy.open.erase(stream);
  if (record.envoy.open.empty()) {
    record.envoy.lost = now;
    record.acknowledged = false;
  }
  judge(proxy, record, now);
  forget_if_unknown(proxy);
}

void Liveness::on_acknowledged(const ProxyId& proxy, SteadyTime now) {
  Record& record = records_[proxy];
  if (record.acknowledged) return;
  record.acknowledged_at = now;
  record.acknowledged = true;
  judge(proxy, record, now);
}

void Liveness::on_reporter_connected(const ProxyId& proxy, std::uint64_t session, LivenessSource source,
                                     SteadyTime now) {
  Record& record = records_[proxy];
  Link& link = source == LivenessSource::Manager ? record.manager : record.health;
  link.known = true;
  link.open.insert(session);
  link.lost_by_restart = false;
  record.restored = false;
  if (source == LivenessSource::Manager) record.leaving = false;
  judge(proxy, record, now);
}

void Liveness::on_reporter_disconnected(const ProxyId& proxy, std::uint64_t session, LivenessSource source,
                                        SteadyTime now) {
  Record& record = records_[proxy];
  Link& link = source == LivenessSource::Manager ? record.manager : record.health;
  link.open.erase(session);
  if (link.open.empty()) link.lost = now;
  judge(proxy, record, now);
  forget_if_unknown(proxy);
}

void Liveness::on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report,
                            SteadyTime now) {
  Record& record = records_[proxy];
  Link& link = report.source == LivenessSource::Manager ? record.manager : record.health;
  if (link.open.empty() || *link.open.rbegin() != session) return;  // an older session, on its way out
  link.said = report;
  const Link& counts = who_counts(record);
  std::set<std::uint32_t> unavailable = counts.said ? counts.said->unavailable_ports : std::set<std::uint32_t>();
  if (unavailable != record.unavailable_ports) {
    record.unavailable_ports = std::move(unavailable);
    if (record.live) changes_.push_back({proxy, true, record.unavailable_ports});
    if (record.live) wake_fellows(proxy, record);
  }
  judge(proxy, record, now);
}

void Liveness::on_leaving(const ProxyId& proxy, SteadyTime now) {
  Record& record = records_[proxy];
  if (!std::exchange(record.leaving, true))
    record.leaves_at = now + std::chrono::duration_cast<SteadyTime::duration>(settings_.relief);
  judge(proxy, record, now);
}

void Liveness::on_services(const ProxyId& proxy, std::optional<std::set<std::string>> services, SteadyTime now) {
  Record& record = records_[proxy];
  for (const std::string& service : record.services) {
    const auto found = services_.find({proxy.mesh, service});
    if (found == services_.end()) continue;
    found->second.proxies.erase(proxy);
    if (found->second.proxies.empty()) services_.erase(found);
  }
  record.has_dataplane = services.has_value();
  record.services = services ? *std::move(services) : std::set<std::string>();
  for (const std::string& service : record.services) services_[{proxy.mesh, service}].proxies.insert(proxy);
  judge(proxy, record, now);
  forget_if_unknown(proxy);
}

void Liveness::restore(const ProxyId& proxy, SteadyTime now) {
  Record& record = records_[proxy];
  if (record.envoy.known || record.manager.known || record.health.known) return;  // it has told us itself
  record.restored = true;
  record.envoy.known = true;
  record.envoy.lost = now;
  record.envoy.lost_by_restart = true;
  set_live(proxy, record, true);
  judge(proxy, record, now);
}

void Liveness::on_elsewhere(const ProxyId& proxy, std::optional<Elsewhere> elsewhere, SteadyTime now) {
  Record& record = records_[proxy];
  record.elsewhere = std::move(elsewhere);
  judge(proxy, record, now);
  forget_if_unknown(proxy);
}

void Liveness::on_others(std::set<std::string> alive, SteadyTime now) {
  const std::set<std::string> were = std::exchange(others_, std::move(alive));
  for (auto& [proxy, record] : records_) {
    if (!record.elsewhere) continue;
    const std::string& instance = record.elsewhere->instance;
    if (record.live && record.envoy.open.empty() && were.contains(instance) && !others_.contains(instance)) {
      record.restored = true;
      record.envoy.known = true;
      record.envoy.lost = now;
      record.envoy.lost_by_restart = true;
      record.manager.lost_by_restart = record.manager.is_lost();
    }
    judge(proxy, record, now);
  }
}

Liveness::Step Liveness::step(SteadyTime now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const ProxyId proxy = due_.begin()->second;
    Record& record = records_.at(proxy);
    set_due(proxy, record, std::nullopt);
    judge(proxy, record, now);
  }
  Step out;
  out.changes = std::exchange(changes_, {});
  if (!due_.empty()) out.next = due_.begin()->first;
  return out;
}

bool Liveness::is_live(const ProxyId& proxy) const {
  const auto found = records_.find(proxy);
  return found != records_.end() && found->second.live;
}

bool Liveness::is_waiting_for_relief(const ProxyId& proxy) const {
  const auto found = records_.find(proxy);
  return found != records_.end() && found->second.live && found->second.leaving;
}

void Liveness::judge(const ProxyId& proxy, Record& record, SteadyTime now) {
  set_due(proxy, record, std::nullopt);
  const bool refused = is_refused(record);
  if (record.leaving && !refused && must_wait_for_relief(proxy, record, now)) {
    wait_for_fellows(proxy, record);
    return set_due(proxy, record, record.leaves_at);
  }
  if (record.leaving || refused || (!record.has_dataplane && !record.restored)) {
    // Without its Dataplane it cannot be an endpoint; once that comes, it is judged again.
    set_live(proxy, record, false);
    record.left_silently = false;
    return;
  }
  if (follows_another(record)) {
    record.restored = false;
    record.left_silently = false;
    return set_live(proxy, record, record.elsewhere->live && record.has_dataplane);
  }
  if (!record.live) {
    if (is_ready(record, now)) {
      record.left_silently = false;
      set_live(proxy, record, true);
    } else if (record.acknowledged && !record.envoy.open.empty() && !somebody_probes(record)) {
      set_due(proxy, record, record.acknowledged_at + settings_.unprobed);
      return;
    } else {
      return;
    }
  }
  const std::optional<SteadyTime> ends = silence_ends(record);
  if (!ends) return;
  if (now < *ends) return set_due(proxy, record, ends);
  const std::optional<SteadyTime> held = floor_holds_until(proxy, record, now);
  if (held == kNever) return wait_for_fellows(proxy, record);
  if (held) return set_due(proxy, record, held);
  for (const std::string& service : record.services) services_[{proxy.mesh, service}].departures.push_back(now);
  record.left_silently = true;
  set_live(proxy, record, false);
}

bool Liveness::follows_another(const Record& record) const {
  return record.elsewhere && record.envoy.open.empty() && others_.contains(record.elsewhere->instance);
}

bool Liveness::is_connected(const Record& record) const {
  return !record.envoy.open.empty() || (follows_another(record) && record.elsewhere->live);
}

bool Liveness::must_wait_for_relief(const ProxyId& proxy, const Record& record, SteadyTime now) const {
  if (!record.live || now >= record.leaves_at || !record.has_dataplane || !is_connected(record)) return false;
  if (!record.unavailable_ports.empty()) return false;
  return std::ranges::any_of(record.services, [&](const std::string& name) {
    bool somebody_comes = false;
    for (const ProxyId& fellow : services_.at({proxy.mesh, name}).proxies) {
      const Record& other = records_.at(fellow);
      if (fellow == proxy || other.leaving) continue;
      if (other.live && other.unavailable_ports.empty()) return false;  // it is not the last
      somebody_comes |= is_connected(other);
    }
    return somebody_comes;
  });
}

// A manager has seen both Envoy and the application; what Envoy reports of itself counts where there is none.
const Liveness::Link& Liveness::who_counts(const Record& record) {
  if (!record.manager.open.empty() || !record.health.known) return record.manager;
  return record.manager.known && record.health.open.empty() ? record.manager : record.health;
}

bool Liveness::somebody_probes(const Record& record) { return record.manager.known || record.health.known; }

// A manager that is there knows better than health checks: a busy admin interface answers them late, or not.
bool Liveness::is_refused(const Record& record) {
  if (!record.manager.open.empty() && record.manager.said) return record.manager.says(false);
  return record.manager.says(false) || record.health.says(false);
}

bool Liveness::is_ready(const Record& record, SteadyTime now) const {
  if (record.envoy.open.empty() || !record.acknowledged) return false;
  if (who_counts(record).says(true)) return true;
  return !somebody_probes(record) && now >= record.acknowledged_at + settings_.unprobed;
}

// When this proxy has been silent for long enough. None: it is not silent.
std::optional<SteadyTime> Liveness::silence_ends(const Record& record) const {
  const auto later = [](SteadyTime lost, Duration grace) {
    return lost + std::chrono::duration_cast<SteadyTime::duration>(grace);
  };
  if (record.restored) return later(record.envoy.lost, settings_.restart);
  const bool envoy_lost = record.envoy.is_lost();
  const bool manager_lost = record.manager.is_lost();
  const SteadyTime envoy_ends =
      later(record.envoy.lost, record.envoy.lost_by_restart ? settings_.restart : settings_.one_gone);
  const SteadyTime manager_ends =
      later(record.manager.lost, record.manager.lost_by_restart ? settings_.restart : settings_.one_gone);
  if (envoy_lost && manager_lost) {
    const SteadyTime ends = std::min(envoy_ends, manager_ends);
    if (record.envoy.lost_by_restart && record.manager.lost_by_restart) return ends;
    return std::min(ends, later(std::max(record.envoy.lost, record.manager.lost), settings_.both_gone));
  }
  if (envoy_lost) return envoy_ends;
  if (manager_lost) return manager_ends;
  return std::nullopt;
}

std::optional<SteadyTime> Liveness::floor_holds_until(const ProxyId& proxy, const Record& record, SteadyTime now) {
  std::optional<SteadyTime> until;
  for (const std::string& name : record.services) {
    Service& service = services_[{proxy.mesh, name}];
    std::erase_if(service.departures, [&](SteadyTime when) { return when + settings_.floor_window <= now; });
    std::size_t live = 0;
    bool others_left_silently = false;
    for (const ProxyId& fellow : service.proxies) {
      const Record& other = records_.at(fellow);
      live += other.live ? 1 : 0;
      others_left_silently |= other.left_silently;
    }
    if (live == 1 && others_left_silently) return kNever;
    const std::size_t before = live + service.departures.size();
    if (service.departures.size() >= std::max<std::size_t>(1, before / 2)) {
      const SteadyTime free = service.departures.front() + settings_.floor_window;
      until = std::max(until.value_or(free), free);
    }
  }
  return until;
}

void Liveness::set_live(const ProxyId& proxy, Record& record, bool live) {
  if (record.live == live) return;
  record.live = live;
  live_count_ += live ? 1 : -1;
  changes_.push_back({proxy, live, live ? record.unavailable_ports : std::set<std::uint32_t>()});
  wake_fellows(proxy, record);
}

// What others of its services do may let it go.
void Liveness::wait_for_fellows(const ProxyId& proxy, const Record& record) {
  for (const std::string& name : record.services) services_[{proxy.mesh, name}].waiting.insert(proxy);
}

// Those who wait are judged again with the next step, and wait on if they must.
void Liveness::wake_fellows(const ProxyId& proxy, const Record& record) {
  for (const std::string& name : record.services) {
    const auto found = services_.find({proxy.mesh, name});
    if (found == services_.end()) continue;
    std::set<ProxyId>& waiting = found->second.waiting;
    for (auto fellow = waiting.begin(); fellow != waiting.end();) {
      if (*fellow == proxy) {
        ++fellow;
        continue;
      }
      if (const auto other = records_.find(*fellow); other != records_.end())
        set_due(*fellow, other->second, SteadyTime{});
      fellow = waiting.erase(fellow);
    }
  }
}

void Liveness::set_due(const ProxyId& proxy, Record& record, std::optional<SteadyTime> due) {
  if (record.due) due_.erase({*record.due, proxy});
  record.due = due;
  if (due) due_.insert({*due, proxy});
}

// Nothing is connected, and there is no Dataplane: nobody will ever ask again.
void Liveness::forget_if_unknown(const ProxyId& proxy) {
  const auto found = records_.find(proxy);
  const Record& record = found->second;
  if (record.has_dataplane || !record.envoy.open.empty() || !record.manager.open.empty() ||
      !record.health.open.empty() || record.live)
    return;
  set_due(proxy, found->second, std::nullopt);
  records_.erase(found);
}

}  // namespace mesh
