#include "insight/insight_book.h"

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace mesh {
namespace {

std::string text_at(const boost::json::value* value, std::string_view key) {
  const boost::json::object* object = value == nullptr ? nullptr : value->if_object();
  const boost::json::value* found = object == nullptr ? nullptr : object->if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

const boost::json::value* at(const boost::json::value* value, std::string_view key) {
  const boost::json::object* object = value == nullptr ? nullptr : value->if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

ProxyVersion version_of(const boost::json::value& metadata, const Connection& connection) {
  ProxyVersion out;
  const boost::json::value* version = at(&metadata, "version");
  if (const boost::json::value* sidecar = at(version, "kumaDp"))
    out.kuma_dp = SidecarVersion{text_at(sidecar, "version"), text_at(sidecar, "gitTag"), text_at(sidecar, "gitCommit"),
                                 text_at(sidecar, "buildDate"), true};
  const boost::json::value* envoy = at(version, "envoy");
  EnvoyVersion found{text_at(envoy, "version"), text_at(envoy, "build"), true};
  if (found.version.empty()) found.version = connection.envoy_version;
  if (found.build.empty()) found.build = connection.envoy_build;
  out.envoy = std::move(found);
  return out;
}

std::optional<DiscoveryStats>* stats_of(SubscriptionStatus& status, DiscoveryKind kind) {
  switch (kind) {
    case DiscoveryKind::Cluster: return &status.cds;
    case DiscoveryKind::Endpoint: return &status.eds;
    case DiscoveryKind::Listener: return &status.lds;
    case DiscoveryKind::Route: return &status.rds;
    case DiscoveryKind::Secret: return nullptr;  // counted in the total only
  }
  return nullptr;
}

const char* name_of(DiscoveryKind kind) {
  constexpr const char* kNames[] = {"Cluster", "Endpoint", "Listener", "Route", "Secret"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace

void InsightBook::load(const ProxyId& proxy, Row row) { rows_[proxy] = {.row = std::move(row)}; }

DataplaneInsight& InsightBook::edit(Kept& kept) {
  if (kept.own == nullptr) {
    const auto copy = kept.row ? std::make_shared<DataplaneInsight>(*kept.row) : std::make_shared<DataplaneInsight>();
    kept.own = copy.get();
    kept.row = copy;
  }
  return *kept.own;
}

void InsightBook::on_connected(std::uint64_t stream, const Connection& connection, SystemTime now) {
  Entry& entry = *rows_.try_emplace(connection.proxy).first;
  DataplaneInsight& row = edit(entry.second);
  const bool was_of_another = is_of_another(row);
  for (Subscription& earlier : row.subscriptions) {
    if (!earlier.is_online()) continue;
    if (!is_connected(connection.proxy, earlier.id))
      earlier.disconnect_time = now;  // of a control plane that is no more
  }
  boost::system::error_code problem;
  boost::json::value metadata = boost::json::parse(connection.metadata_json, problem);
  if (problem || !metadata.is_object()) metadata = boost::json::object();

  Subscription next;
  next.id = make_uuid();
  next.control_plane_instance_id = settings_.instance_id;
  next.connect_time = now;
  next.status.last_update_time = now;
  next.status.total = DiscoveryStats{};
  next.status.cds = next.status.eds = next.status.lds = next.status.rds = DiscoveryStats{};
  next.version = version_of(metadata, connection);
  row.metadata = std::move(metadata);
  streams_[stream] = {&entry, next.id};
  open_[connection.proxy].insert(next.id);
  row.subscriptions.push_back(std::move(next));
  cut(row);
  row.live = entry.second.said_live.value_or(row.live);
  row.manager = manager_for(connection.proxy, row);
  // Others that share the store must know soon who judges this proxy now.
  touch(entry, was_of_another ? Urgency::AtOnce : Urgency::Soon);
}

void InsightBook::cut(DataplaneInsight& row) const {
  if (row.subscriptions.size() > settings_.max_subscriptions)
    row.subscriptions.erase(row.subscriptions.begin(),
                            row.subscriptions.end() - static_cast<std::ptrdiff_t>(settings_.max_subscriptions));
}

bool InsightBook::is_of_another(const DataplaneInsight& row) const {
  return !row.subscriptions.empty() && row.subscriptions.back().control_plane_instance_id != settings_.instance_id;
}

void InsightBook::on_manager(const ProxyId& proxy, std::optional<ManagerWord> word) {
  if (word)
    managers_[proxy] = *std::move(word);
  else
    managers_.erase(proxy);
  const auto known = rows_.find(proxy);
  if (known == rows_.end()) return;
  std::optional<ManagerWord> now = manager_for(proxy, *known->second.row);
  if (now == known->second.row->manager) return;
  edit(known->second).manager = std::move(now);
  touch(*known, Urgency::AtOnce);
}

// Of two control planes that think they have the manager the one has it that it came to last.
std::optional<ManagerWord> InsightBook::manager_for(const ProxyId& proxy, const DataplaneInsight& row) const {
  const auto ours = managers_.find(proxy);
  const bool is_ours = row.manager && row.manager->instance == settings_.instance_id;
  if (ours == managers_.end()) return is_ours ? std::nullopt : row.manager;
  if (row.manager && !is_ours && row.manager->since > ours->second.since) return row.manager;
  return ours->second;
}

void InsightBook::on_stored(const ProxyId& proxy, const Row& stored) {
  Entry& entry = *rows_.try_emplace(proxy).first;
  Kept& known = entry.second;
  if (known.row == stored) return;
  Kept next{.row = stored, .said_live = known.said_live, .changed = known.changed};
  bool lost = false;
  const auto is_ours = [this](const Subscription& one) {
    return one.control_plane_instance_id == settings_.instance_id;
  };
  if (known.row && (std::ranges::any_of(known.row->subscriptions, is_ours) || !is_of_another(*stored))) {
    DataplaneInsight& merged = edit(next);
    for (const Subscription& one : known.row->subscriptions) {
      if (!is_ours(one)) continue;
      const auto same = std::ranges::find(merged.subscriptions, one.id, &Subscription::id);
      if (same != merged.subscriptions.end()) {
        lost |= same->is_online() != one.is_online();  // another wrote what it knew from before
        *same = one;
      } else if (one.is_online()) {
        merged.subscriptions.push_back(one);
        lost = true;
      }
    }
    std::ranges::stable_sort(merged.subscriptions, {}, &Subscription::connect_time);
    cut(merged);
    if (!is_of_another(merged)) {
      lost |= std::exchange(merged.live, known.row->live) != known.row->live;
      merged.mtls = known.row->mtls;
      merged.metadata = known.row->metadata;
    }
  }
  if (std::optional<ManagerWord> manager = manager_for(proxy, *next.row); manager != next.row->manager) {
    edit(next).manager = std::move(manager);
    lost = true;
  }
  known = std::move(next);
  if (lost) touch(entry, Urgency::AtOnce);
}

Subscription* InsightBook::find_subscription(const Stream& stream) {
  Kept& kept = stream.entry->second;
  const std::vector<Subscription>& all = kept.row->subscriptions;
  const auto at = std::ranges::find(all, stream.subscription, &Subscription::id);
  if (at == all.end()) return nullptr;
  const auto index = static_cast<std::size_t>(at - all.begin());  // before edit(), which may leave nobody with this row
  return &edit(kept).subscriptions[index];
}

template <class Count>
void InsightBook::count(std::uint64_t stream, DiscoveryKind kind, SystemTime now, Count count) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  Subscription* subscription = find_subscription(found->second);
  if (subscription == nullptr) return;
  SubscriptionStatus& status = subscription->status;
  status.last_update_time = now;
  if (!status.total) status.total.emplace();
  count(*status.total);
  if (std::optional<DiscoveryStats>* stats = stats_of(status, kind)) {
    if (!*stats) stats->emplace();
    count(**stats);
  }
  touch(*found->second.entry, Urgency::Later);
}

void InsightBook::on_sent(std::uint64_t stream, DiscoveryKind kind, SystemTime now) {
  count(stream, kind, now, [](DiscoveryStats& stats) { ++stats.responses_sent; });
}

void InsightBook::on_acknowledged(std::uint64_t stream, DiscoveryKind kind, SystemTime now) {
  count(stream, kind, now, [](DiscoveryStats& stats) { ++stats.responses_acknowledged; });
}

void InsightBook::on_refused(std::uint64_t stream, DiscoveryKind kind, const std::string& reason, SystemTime now) {
  count(stream, kind, now, [](DiscoveryStats& stats) { ++stats.responses_rejected; });
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  if (Subscription* subscription = find_subscription(found->second)) {
    subscription->status.last_rejection = Rejection{now, name_of(kind), reason.substr(0, 4096)};
    touch(*found->second.entry, Urgency::Soon);
  }
}

void InsightBook::on_disconnected(std::uint64_t stream, SystemTime now) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  if (Subscription* subscription = find_subscription(found->second)) {
    subscription->disconnect_time = now;
    touch(*found->second.entry, Urgency::Soon);
  }
  const auto open = open_.find(found->second.entry->first);
  open->second.erase(found->second.subscription);
  if (open->second.empty()) open_.erase(open);
  streams_.erase(found);
}

bool InsightBook::is_connected(const ProxyId& proxy, const std::string& subscription) const {
  const auto open = open_.find(proxy);
  return open != open_.end() && open->second.contains(subscription);
}

void InsightBook::on_certificate(const ProxyId& proxy, SystemTime issued, SystemTime expires,
                                 const std::string& backend, const std::vector<std::string>& supported_backends) {
  Entry& entry = *rows_.try_emplace(proxy).first;
  std::optional<CertificateStatus>& mtls = edit(entry.second).mtls;
  if (!mtls) mtls.emplace();
  mtls->certificate_expiration_time = expires;
  mtls->last_certificate_regeneration = issued;
  ++mtls->certificate_regenerations;
  mtls->issued_backend = backend;
  mtls->supported_backends = supported_backends;
  touch(entry, Urgency::Later);
}

void InsightBook::on_live(const ProxyId& proxy, bool live) {
  const auto row = rows_.find(proxy);
  if (row == rows_.end()) return;
  row->second.said_live = live;
  if (row->second.row->live == live) return;
  if (is_of_another(*row->second.row) && row->second.row->is_online()) return;  // that one says so itself
  edit(row->second).live = live;
  touch(*row, Urgency::AtOnce);
}

void InsightBook::close_leftovers(SystemTime now, const std::set<std::string>& other_instances) {
  for (Entry& entry : rows_) {
    auto& [proxy, kept] = entry;
    const auto is_left = [&, &proxy = proxy](const Subscription& subscription) {
      return subscription.is_online() && !is_connected(proxy, subscription.id) &&
             !other_instances.contains(subscription.control_plane_instance_id);
    };
    if (std::ranges::none_of(kept.row->subscriptions, is_left)) continue;
    for (Subscription& subscription : edit(kept).subscriptions)
      if (is_left(subscription)) subscription.disconnect_time = now;
    touch(entry, Urgency::Soon);
  }
}

void InsightBook::forget(const ProxyId& proxy) {
  const auto known = rows_.find(proxy);
  if (known == rows_.end()) return;
  changed(std::exchange(known->second.changed, Urgency::None)).erase(proxy);
  if (!open_.contains(proxy)) rows_.erase(known);
}

Urgency InsightBook::urgency() const {
  for (const Urgency urgency : {Urgency::AtOnce, Urgency::Soon, Urgency::Later})
    if (waits(urgency)) return urgency;
  return Urgency::None;
}

void InsightBook::touch(Entry& entry, Urgency urgency) {
  Urgency& known = entry.second.changed;
  if (known >= urgency) return;
  if (known != Urgency::None) changed(known).erase(entry.first);
  known = urgency;
  changed(urgency).insert(entry.first);
}

void InsightBook::put_back(const Rows& rows) {
  for (const auto& [proxy, row] : rows)
    if (const auto known = rows_.find(proxy); known != rows_.end()) touch(*known, Urgency::Soon);
}

InsightBook::Rows InsightBook::take_changed(Urgency at_least) {
  Rows out;
  for (const Urgency urgency : {Urgency::Later, Urgency::Soon, Urgency::AtOnce}) {
    if (urgency < at_least) continue;
    for (const ProxyId& proxy : std::exchange(changed(urgency), {})) {
      Kept& kept = rows_.at(proxy);
      kept.own = nullptr;
      kept.changed = Urgency::None;
      out.emplace(proxy, kept.row);
    }
  }
  return out;
}

const DataplaneInsight* InsightBook::find(const ProxyId& proxy) const {
  const auto found = rows_.find(proxy);
  return found == rows_.end() ? nullptr : found->second.row.get();
}

}  // namespace mesh
