#include "controllers/offline_proxies.h"

#include <algorithm>
#include <utility>

namespace mesh {

void OfflineProxies::on_connected(const ProxyId& proxy, bool registered_itself) {
  Record& record = records_[proxy];
  record.connected = true;
  record.left = false;
  record.registered_itself = registered_itself;
  record.offline_since.reset();
  judge(proxy);
}

void OfflineProxies::on_disconnected(const ProxyId& proxy, SteadyTime now) {
  Record& record = records_[proxy];
  record.connected = false;
  record.offline_since = now;
  judge(proxy);
}

void OfflineProxies::on_live(const ProxyId& proxy, bool live, SteadyTime now) {
  Record& record = records_[proxy];
  if (std::exchange(record.live, live) && !live) record.idle_since = now;
  judge(proxy);
}

void OfflineProxies::on_leaving(const ProxyId& proxy) {
  records_[proxy].left = true;
  judge(proxy);
}

void OfflineProxies::on_elsewhere(const ProxyId& proxy, const Elsewhere& seen, SteadyTime now) {
  Record& record = records_[proxy];
  const bool was = !std::exchange(record.elsewhere, seen.is_ours ? "" : seen.connected_to).empty();
  if (!seen.is_ours) record.registered_itself = seen.registered_itself;
  if (!record.elsewhere.empty()) {
    record.left = seen.leaving;
    record.offline_since.reset();
  } else if (!record.connected && (was || !record.offline_since)) {
    record.offline_since = now;
  }
  judge(proxy);
}

// What a control plane that is no more wrote of its proxies stands there as it was.
void OfflineProxies::on_others(const std::set<std::string>& alive, SteadyTime now) {
  for (auto& [proxy, record] : records_) {
    if (record.elsewhere.empty() || alive.contains(record.elsewhere)) continue;
    record.elsewhere.clear();
    if (!record.connected) record.offline_since = now;
    judge(proxy);
  }
}

void OfflineProxies::on_removed(const ProxyId& proxy) {
  const auto found = records_.find(proxy);
  if (found == records_.end() || found->second.connected || !found->second.elsewhere.empty()) return;
  if (const auto due = due_of_.find(proxy); due != due_of_.end()) {
    due_.erase({due->second, proxy});
    due_of_.erase(due);
  }
  records_.erase(found);
}

void OfflineProxies::load(const ProxyId& proxy, bool registered_itself, Duration ago, SteadyTime now) {
  Record& record = records_[proxy];
  if (record.connected || !record.elsewhere.empty()) return;
  record.registered_itself = registered_itself;
  record.offline_since = now - std::chrono::duration_cast<SteadyTime::duration>(ago);
  judge(proxy);
}

std::optional<SteadyTime> OfflineProxies::due_of(const Record& record) const {
  if (record.connected || !record.elsewhere.empty() || !record.offline_since) return std::nullopt;
  const SteadyTime offline = *record.offline_since;
  const auto later = [](SteadyTime since, Duration time) {
    return since + std::chrono::duration_cast<SteadyTime::duration>(time);
  };
  if (record.registered_itself && record.left) return later(offline, settings_.after_goodbye);
  if (record.registered_itself && !record.live)
    return later(std::max(offline, record.idle_since.value_or(offline)), settings_.after_silence);
  if (settings_.after_all == Duration::zero()) return std::nullopt;
  return later(offline, settings_.after_all);
}

void OfflineProxies::judge(const ProxyId& proxy) {
  if (const auto old = due_of_.find(proxy); old != due_of_.end()) {
    due_.erase({old->second, proxy});
    due_of_.erase(old);
  }
  if (const std::optional<SteadyTime> due = due_of(records_.at(proxy))) {
    due_of_[proxy] = *due;
    due_.insert({*due, proxy});
  }
}

OfflineProxies::Step OfflineProxies::step(SteadyTime now) {
  Step out;
  while (!due_.empty() && due_.begin()->first <= now) {
    const ProxyId proxy = due_.begin()->second;
    due_.erase(due_.begin());
    due_of_.erase(proxy);
    records_.erase(proxy);
    out.remove.push_back(proxy);
  }
  if (!due_.empty()) out.next = due_.begin()->first;
  return out;
}

}  // namespace mesh
