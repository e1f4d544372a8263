#include "pipeline/builders.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace mesh {
namespace {

// The same content: keep the old object, so that streams see at once that nothing is new.
bool keep_if_same(NamedResources& fresh, const NamedResources& old) {
  if (fresh == old) return true;
  if (!fresh || !old || !is_same(*fresh, *old)) return false;
  fresh = old;
  return true;
}

bool keep_what_is_same(ProxyConfig& fresh, const ProxyConfig& old) {
  bool same = keep_if_same(fresh.clusters, old.clusters);
  same &= keep_if_same(fresh.endpoints, old.endpoints);
  same &= keep_if_same(fresh.listeners, old.listeners);
  same &= keep_if_same(fresh.routes, old.routes);
  return same && fresh.secrets == old.secrets;
}

Offer offer_of(const Built& built) {
  static const auto nothing = std::make_shared<const NamedResourceList>();
  const auto or_nothing = [](const NamedResources& resources) { return resources ? resources : nothing; };
  Offer out;
  out.number = built.number;
  out.resources[XdsType::Cluster] = or_nothing(built.config->clusters);
  out.resources[XdsType::Endpoint] = or_nothing(built.config->endpoints);
  out.resources[XdsType::Listener] = or_nothing(built.config->listeners);
  out.resources[XdsType::Route] = or_nothing(built.config->routes);
  out.resources[XdsType::Secret] = or_nothing(built.secrets);
  return out;
}

}  // namespace

BuildsConfig BuildsConfig::with(const ConfigBuilder& builder) {
  BuildsConfig out;
  out.build = [&builder](const MeshSnapshot& mesh, const std::string& dataplane, const ProxyTraits& traits,
                         std::vector<std::string>* warnings, const ProxyConfig* before) {
    return builder.build(mesh, dataplane, traits, warnings, before);
  };
  out.rebuild = [&builder](const ProxyConfig& before, const MeshSnapshot& mesh, const std::string& dataplane,
                           const ProxyTraits& traits, const Touched& touched, std::vector<std::string>* warnings) {
    return builder.rebuild(before, mesh, dataplane, traits, touched, warnings);
  };
  return out;
}

Builders::Builders(BuildsConfig builder, Certificates& certificates, const Published<Snapshot>& snapshot,
                   SendOffer send, std::function<void(BuildReport)> report)
    : builder_(std::move(builder)),
      certificates_(certificates),
      snapshot_(snapshot),
      send_(std::move(send)),
      report_(std::move(report)) {}

Builders::~Builders() { stop(); }

void Builders::stop() {
  waiting_.close();
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

void Builders::start(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this](std::stop_token stop) { run(std::move(stop)); });
}

void Builders::schedule(const std::shared_ptr<Proxy>& proxy, const Work& work, Turn turn) {
  {
    std::lock_guard lock(proxy->mutex);
    proxy->pending.merge(work);
    proxy->pending_turn = turn;
    if (std::exchange(proxy->is_queued, true)) return;
  }
  waiting_.put(proxy);
}

std::size_t Builders::run_waiting() {
  std::size_t done = 0;
  for (auto batch = waiting_.take_now(); !batch.empty(); batch = waiting_.take_now())
    for (const std::shared_ptr<Proxy>& proxy : batch) {
      work_on(proxy);
      ++done;
    }
  return done;
}

void Builders::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const std::optional<std::shared_ptr<Proxy>> proxy = waiting_.take_one(stop);
    if (!proxy) return;
    work_on(*proxy);
  }
}

void Builders::work_on(const std::shared_ptr<Proxy>& proxy) {
  Work work;
  Turn turn = 0;
  {
    std::lock_guard lock(proxy->mutex);
    work = std::exchange(proxy->pending, {});
    work.merge(std::exchange(proxy->owed, {}));
    turn = proxy->pending_turn;
  }
  BuildReport report =
      proxy->id.type == ProxyRole::Dataplane ? build(*proxy, work, turn) : build_zone_proxy(*proxy, turn);
  {
    std::lock_guard lock(proxy->mutex);
    if (!report.problem.empty()) proxy->owed.merge(work);
    proxy->is_queued = !proxy->pending.empty();
    if (proxy->is_queued) waiting_.put(proxy);
  }
  report_(std::move(report));
}

BuildReport Builders::build(Proxy& proxy, const Work& work, Turn turn) {
  BuildReport report;
  report.proxy = proxy.id;
  report.turn = turn;
  Built next;
  ProxyTraits traits;
  bool has_new_traits = false;
  {
    std::lock_guard lock(proxy.mutex);
    next = proxy.built;
    traits = proxy.traits;
    has_new_traits = std::exchange(next.traits, proxy.traits_number) != proxy.traits_number;
  }
  report.number = next.number;
  const std::shared_ptr<const Snapshot> snapshot = snapshot_.get();
  const std::shared_ptr<const MeshSnapshot> mesh = snapshot->find(proxy.id.mesh);
  const SharedResource* dataplane = mesh ? mesh->dataplanes.get(proxy.id.name) : nullptr;
  if (dataplane == nullptr) {
    report.has_dataplane = false;
    return report;
  }

  std::shared_ptr<const ProxyConfig> config = next.config;
  if (work.full || !config) {
    ++counts_.full;
    std::vector<std::string> warnings;
    config = builder_.build(*mesh, proxy.id.name, traits, &warnings, has_new_traits ? nullptr : next.config.get());
    tell(proxy, std::move(warnings));
  } else if (work.touched != nullptr) {
    ++counts_.partial;
    std::vector<std::string> warnings;
    config = builder_.rebuild(*config, *mesh, proxy.id.name, traits, *work.touched, &warnings);
    tell(proxy, std::move(warnings));
  } else {
    ++counts_.secrets;
  }
  // Secrets change by work that says so: when the Dataplane or the CA changes, or their time has come.
  if (work.secrets || !next.secrets || !next.config || config->secrets != next.config->secrets) {
    Result<Certificates::Bundle> bundle = certificates_.bundle_for(*mesh, **dataplane, config->secrets);
    if (!bundle) {
      // Listeners that wait for a secret that does not come would be worse than what it has.
      report.problem = bundle.error().message();
      return report;
    }
    report.certificate = std::move(bundle->certificate);
    keep_if_same(bundle->resources, next.secrets);
    next.secrets = std::move(bundle->resources);
  }

  if (config != next.config) {
    ProxyConfig fresh = *config;
    const bool same = next.config && keep_what_is_same(fresh, *next.config);
    next.config = same ? next.config : std::make_shared<const ProxyConfig>(std::move(fresh));
  }
  next.turn = turn;
  offer(proxy, std::move(next), report);
  return report;
}

// Each once, as long as it is so.
void Builders::tell(Proxy& proxy, std::vector<std::string> warnings) {
  std::lock_guard lock(proxy.mutex);
  for (std::string& warning : warnings)
    if (proxy.warned.insert(warning).second) MESH_LOG_WARN("pipeline", "proxy {}: {}", proxy.id.node_id(), warning);
  constexpr std::size_t kMany = 100;
  if (proxy.warned.size() > kMany) proxy.warned.clear();
}

BuildReport Builders::build_zone_proxy(Proxy& proxy, Turn turn) {
  BuildReport report;
  report.proxy = proxy.id;
  report.turn = turn;
  Built next;
  ProxyTraits traits;
  {
    std::lock_guard lock(proxy.mutex);
    next = proxy.built;
    traits = proxy.traits;
  }
  const std::shared_ptr<const Snapshot> snapshot = snapshot_.get();
  const auto resource = snapshot->zone_proxies.find(proxy.id);
  report.has_dataplane = resource != snapshot->zone_proxies.end();
  if (!report.has_dataplane) return report;
  ++counts_.full;
  ProxyConfig fresh = *mesh::build_zone_proxy(*resource->second, traits);
  if (!next.config || !keep_what_is_same(fresh, *next.config))
    next.config = std::make_shared<const ProxyConfig>(std::move(fresh));
  next.turn = turn;
  offer(proxy, std::move(next), report);
  return report;
}

void Builders::offer(Proxy& proxy, Built next, BuildReport& report) {
  std::vector<StreamId> receivers;
  {
    std::lock_guard lock(proxy.mutex);
    if (next.config != proxy.built.config || next.secrets != proxy.built.secrets) {
      ++next.number;
      receivers = proxy.streams;
    } else {
      if (proxy.unserved.empty()) ++counts_.unchanged;
      receivers = proxy.unserved;
    }
    proxy.unserved.clear();
    proxy.built = next;
  }
  report.number = next.number;
  report.has_secrets = !next.config->secrets.empty();
  report.has_services = next.config->has_endpoints();
  counts_.offers += receivers.size();
  for (const StreamId stream : receivers) send_(stream, offer_of(next));
}

BuilderCounters Builders::counters() const {
  return {counts_.full, counts_.partial, counts_.secrets, counts_.offers, counts_.unchanged};
}

}  // namespace mesh
