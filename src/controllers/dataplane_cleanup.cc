#include "controllers/dataplane_cleanup.h"

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "model/insight.h"
#include "model/proxy.h"

namespace mesh {
namespace {

constexpr std::size_t kMostAtOnce = 100;

}  // namespace

DataplaneCleanup::DataplaneCleanup(OfflineSettings settings, Store& store, Remove remove, const Clock& clock,
                                   std::function<bool()> leads)
    : store_(store), remove_(std::move(remove)), clock_(clock), leads_(std::move(leads)), proxies_(settings) {}

DataplaneCleanup::~DataplaneCleanup() {
  events_.close();
  if (thread_.joinable()) thread_.join();
}

Status DataplaneCleanup::load() {
  for (const ProxyRole type : kProxyRoles) MESH_RETURN_IF_ERROR(load(type));
  return {};
}

Status DataplaneCleanup::load(ProxyRole type) {
  Query query;
  query.kind = &insight_kind(type);
  MESH_TRY(const Page rows, store_.list(query));
  for (const Resource& resource : rows.items) {
    const DataplaneInsight* row = resource.spec.as<DataplaneInsight>();
    if (row == nullptr || row->subscriptions.empty()) continue;
    const boost::json::object* metadata = row->metadata.if_object();
    const bool registered_itself = metadata != nullptr && metadata->contains("dataplane.resource");
    // One that was connected when the control plane stopped was last seen now, for all we know.
    const SystemTime seen = row->subscriptions.back().disconnect_time.value_or(clock_.now());
    const ProxyId proxy{resource.key.mesh, resource.key.name, type};
    proxies_.load(proxy, registered_itself, clock_.now() - seen, clock_.steady());
    if (row->live && row->is_online()) proxies_.on_live(proxy, true, clock_.steady());
  }
  return {};
}

void DataplaneCleanup::tell(Event event) { events_.put(std::move(event)); }

void DataplaneCleanup::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

void DataplaneCleanup::run(std::stop_token stop) {
  std::optional<SteadyTime> next = step();
  while (!stop.stop_requested() && !events_.is_closed())
    next = take(next ? events_.take_all_until(stop, *next) : events_.take_all(stop));
}

std::optional<SteadyTime> DataplaneCleanup::step() { return take(events_.take_now()); }

std::optional<SteadyTime> DataplaneCleanup::take(std::vector<Event> events) {
  const SteadyTime now = clock_.steady();
  for (Event& event : events) event(proxies_, now);
  const OfflineProxies::Step step = proxies_.step(now);
  std::vector<ProxyId> due;
  for (const ProxyId& proxy : step.remove) {
    if (leads_())
      due.push_back(proxy);
    else  // the leader does it, or we when we lead
      proxies_.load(proxy, true, Duration::zero(), now);
  }
  for (std::span<const ProxyId> rest(due); !rest.empty(); rest = rest.subspan(std::min(rest.size(), kMostAtOnce)))
    remove(rest.first(std::min(rest.size(), kMostAtOnce)), now);
  return step.remove.empty() ? step.next : proxies_.step(now).next;
}

// Together: each transaction costs whoever else writes to the same database a pause.
void DataplaneCleanup::remove(std::span<const ProxyId> proxies, SteadyTime now) {
  std::vector<ResourceKey> keys;
  for (const ProxyId& proxy : proxies) keys.push_back(proxy_key(proxy));
  const Status removed = remove_(keys);
  const bool is_missing = !removed && removed.error().kind == ErrorKind::NotFound;
  if (is_missing && proxies.size() > 1) {
    for (std::size_t i = 0; i < proxies.size(); ++i) remove(proxies.subspan(i, 1), now);
    return;
  }
  if (is_missing) return;
  for (std::size_t i = 0; i < proxies.size(); ++i) {
    if (removed) {
      MESH_LOG_INFO("controllers", "removed {}: its proxy is gone", keys[i].to_string());
      continue;
    }
    MESH_LOG_WARN("controllers", "{} of a proxy that is gone was not removed, and will be tried again: {}",
                  keys[i].to_string(), removed.error().message());
    proxies_.load(proxies[i], true, Duration::zero(), now);
  }
}

}  // namespace mesh
