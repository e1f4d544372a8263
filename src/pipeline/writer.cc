#include "pipeline/writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "model/proxy.h"

namespace mesh {
namespace {

std::set<std::string> services_of(const Resource& dataplane) {
  std::set<std::string> out;
  const auto* spec = dataplane.spec.as<Dataplane>();  // zone proxies have no service
  if (spec == nullptr) return out;
  for (const Inbound& inbound : spec->networking.inbound)
    if (!inbound.service().empty()) out.insert(inbound.service());
  return out;
}

std::optional<SteadyTime> earlier(std::optional<SteadyTime> a, std::optional<SteadyTime> b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

}  // namespace

Writer::Writer(WriterSettings settings, const Clock& clock, Certificates& certificates, Builders& builders,
               Published<Snapshot>& snapshot, Selects selects, WriterOutputs outputs)
    : settings_(settings),
      clock_(clock),
      certificates_(certificates),
      builders_(builders),
      snapshot_(snapshot),
      selects_(std::move(selects)),
      outputs_(std::move(outputs)),
      current_(std::make_shared<Snapshot>()),
      liveness_(settings.liveness),
      managers_(settings.instance_id, outputs_.manager) {
  snapshot_.set(current_);
}

void Writer::on_changes(const ChangeBatch& batch) {
  const SteadyTime now = clock_.steady();
  if (batch.from_start) {
    input_.from_start = true;
    input_.resources.clear();
    std::set<ProxyId> here;
    for (const Change& change : batch.changes)
      if (const auto proxy = proxy_of_resource(change.resource.key)) here.insert(*proxy);
    for (const auto& [name, mesh] : current_->meshes)
      for (const auto& [dataplane, resource] : mesh->dataplanes)
        if (!here.contains({name, dataplane})) liveness_.on_services({name, dataplane}, std::nullopt, now);
    for (const auto& [proxy, resource] : current_->zone_proxies)
      if (!here.contains(proxy)) liveness_.on_services(proxy, std::nullopt, now);
  }
  for (const Change& change : batch.changes) {
    ResourceChange next{change.resource.key, nullptr};
    if (change.op == Change::Op::Put) next.now = std::make_shared<const Resource>(change.resource);
    note_services(next, now);
    if (const auto proxy = proxy_of_insight(next.key)) {
      if (next.now)
        note_insight(*proxy, *next.now, now);
      else
        managers_.on_stored(*proxy, nullptr, liveness_, now);
    }
    input_.resources.push_back(std::move(next));
  }
  input_.upto = batch.upto;
}

void Writer::note_services(const ResourceChange& change, SteadyTime now) {
  const auto id = proxy_of_resource(change.key);
  if (!id) return;
  const ProxyId& proxy = *id;
  if (change.now)
    liveness_.on_services(proxy, services_of(*change.now), now);
  else
    liveness_.on_services(proxy, std::nullopt, now);
  // Where there are others its manager may have come to us, and wait for what another one lets in.
  const auto known = known_.find(proxy);
  if (!others_.empty() || (known != known_.end() && !known->second.streams.empty())) outputs_.dataplane_changed(proxy);
}

void Writer::note_insight(const ProxyId& proxy, const Resource& row, SteadyTime now) {
  const std::shared_ptr<const DataplaneInsight> insight = row.spec.share<DataplaneInsight>();
  if (!insight) return;
  const ManagerWord* manager = insight->manager ? &*insight->manager : nullptr;
  if (managers_.on_stored(proxy, manager, liveness_, now)) outputs_.leaving(proxy);
  if (insight->subscriptions.empty()) return;
  const auto is_ours = [&](const Subscription& one) { return one.control_plane_instance_id == settings_.instance_id; };
  // What we wrote ourselves, as most rows are, tells us nothing. One that contradicts what we see another control plane
  // may have written over ours, from what it knew before.
  const bool has_our_manager = manager == nullptr || manager->instance == settings_.instance_id;
  const auto known = known_.find(proxy);
  const bool is_connected = known != known_.end() && !known->second.streams.empty();
  if (has_our_manager && insight->is_online() == is_connected && std::ranges::all_of(insight->subscriptions, is_ours))
    return;
  const Subscription& newest = insight->subscriptions.back();
  std::optional<Liveness::Elsewhere> elsewhere;
  if (!is_ours(newest)) elsewhere = {newest.control_plane_instance_id, insight->live};
  outputs_.stored(proxy, insight,
                  is_ours(newest)                                      ? Whose::Ours
                  : others_.contains(newest.control_plane_instance_id) ? Whose::AnothersThatIsAlive
                                                                       : Whose::Nobodys);
  liveness_.on_elsewhere(proxy, std::move(elsewhere), now);
}

void Writer::on_others(std::set<std::string> alive) {
  outputs_.others(alive);
  others_ = alive;
  managers_.on_others(alive, liveness_, clock_.steady());
  liveness_.on_others(std::move(alive), clock_.steady());
}

void Writer::on_connected(const ProxyId& proxy, StreamId stream, ProxyTraits traits, bool registered_itself) {
  const bool binds = traits.has_feature("feature-bind-outbounds");
  const bool serves_names = binds && traits.has_feature("feature-embedded-dns");
  std::shared_ptr<Proxy> slot;
  {
    std::lock_guard lock(known_mutex_);
    const auto place = known_.try_emplace(proxy).first;
    Known& known = place->second;
    if (!known.proxy) known.proxy = std::make_shared<Proxy>(proxy);
    if (known.streams.empty()) ++connected_count_;
    known.streams.insert(stream);
    known.progress.held.clear();  // the newest stream counts, and it holds nothing that we know of
    known.is_acknowledged = false;
    slot = known.proxy;
    streams_[stream] = place;
  }
  {
    std::lock_guard lock(slot->mutex);
    if (slot->traits != traits) ++slot->traits_number;
    slot->traits = std::move(traits);
    slot->streams.push_back(stream);
    slot->unserved.push_back(stream);
  }
  if (proxy.type == ProxyRole::Dataplane) {
    ConnectedProxies& mesh = connected_[proxy.mesh];
    mesh.all.insert(proxy.name);
    const auto keep = [&](bool wanted, std::set<std::string>& among) {
      if (wanted)
        among.insert(proxy.name);
      else
        among.erase(proxy.name);
    };
    keep(binds, mesh.binding);
    keep(serves_names, mesh.naming);
  }
  liveness_.on_envoy_connected(proxy, stream, clock_.steady());
  newcomers_.insert(proxy);
  outputs_.online(proxy, registered_itself);
}

void Writer::on_disconnected(StreamId stream) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  const ProxyId proxy = found->second->first;
  Known& known = found->second->second;
  streams_.erase(found);
  known.streams.erase(stream);
  {
    std::lock_guard lock(known.proxy->mutex);
    std::erase(known.proxy->streams, stream);
    std::erase(known.proxy->unserved, stream);
  }
  liveness_.on_envoy_disconnected(proxy, stream, clock_.steady());
  if (!known.streams.empty()) return;
  known.progress.held.clear();
  known.is_acknowledged = false;
  --connected_count_;
  if (const auto mesh = connected_.find(proxy.mesh); proxy.type == ProxyRole::Dataplane && mesh != connected_.end()) {
    mesh->second.all.erase(proxy.name);
    mesh->second.binding.erase(proxy.name);
    mesh->second.naming.erase(proxy.name);
    if (mesh->second.all.empty()) connected_.erase(mesh);
  }
  barriers_.on_gone(proxy);
  outputs_.offline(proxy);
  drop_if_unknown(proxy);
}

void Writer::on_holds(StreamId stream, XdsType type, std::uint64_t number) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return;
  auto& [proxy, known] = *found->second;
  if (*known.streams.rbegin() != stream) return;  // one that is on its way out
  std::uint64_t& held = known.progress.held[type];
  held = std::max(held, number);
  check_progress(proxy, known);
}

void Writer::on_built(const BuildReport& report) {
  if (report.certificate) {
    const SystemTime renew_at = report.certificate->renew_at;
    if (const auto old = renewal_of_.find(report.proxy); old != renewal_of_.end())
      renewals_.erase({old->second, report.proxy});
    renewal_of_[report.proxy] = renew_at;
    renewals_.insert({renew_at, report.proxy});
    outputs_.certificate(report.proxy, *report.certificate);
  }
  const auto found = known_.find(report.proxy);
  if (found == known_.end()) return;
  Known& known = found->second;
  if (!report.has_dataplane) return barriers_.on_gone(report.proxy);  // built once it comes
  if (!report.problem.empty()) {
    if (known.last_problem != report.problem)
      MESH_LOG_WARN("pipeline", "proxy {} keeps what it had: {}", report.proxy.node_id(), report.problem);
    known.last_problem = report.problem;
    barriers_.on_gone(report.proxy);
    return;
  }
  known.last_problem.clear();
  known.progress.built = std::max(known.progress.built, report.turn);
  known.progress.number = report.number;
  known.progress.has_secrets = report.has_secrets;
  known.progress.has_services = report.has_services;
  check_progress(report.proxy, known);
}

void Writer::check_progress(const ProxyId& proxy, Known& known) {
  const Progress& progress = known.progress;
  const bool listens = progress.held.contains(XdsType::Listener);
  const bool has_secrets = !progress.has_secrets || progress.held.contains(XdsType::Secret);
  if (progress.built > 0 && listens && has_secrets && !std::exchange(known.is_acknowledged, true))
    liveness_.on_acknowledged(proxy, clock_.steady());
  barriers_.on_progress(proxy, progress);
}

void Writer::on_reporter_connected(const ProxyId& proxy, std::uint64_t session, LivenessSource source) {
  if (source == LivenessSource::Manager) managers_.on_connected(proxy, session, clock_.now());
  liveness_.on_reporter_connected(proxy, session, source, clock_.steady());
}

void Writer::on_reporter_disconnected(const ProxyId& proxy, std::uint64_t session, LivenessSource source) {
  if (source == LivenessSource::Manager) managers_.on_disconnected(proxy, session);
  liveness_.on_reporter_disconnected(proxy, session, source, clock_.steady());
}

void Writer::on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report) {
  if (report.source == LivenessSource::Manager) managers_.on_readiness(proxy, session, report);
  liveness_.on_readiness(proxy, session, report, clock_.steady());
}

void Writer::on_leaving(const ProxyId& proxy, std::move_only_function<void()> withdrawn) {
  Goodbye goodbye{proxy, {}, std::move(withdrawn)};
  if (const auto mesh = current_->find(proxy.mesh))
    if (const SharedResource* dataplane = mesh->dataplanes.get(proxy.name)) goodbye.services = services_of(**dataplane);
  goodbyes_.push_back(std::move(goodbye));
  managers_.on_leaving(proxy);
  liveness_.on_leaving(proxy, clock_.steady());
  outputs_.leaving(proxy);
}

void Writer::restore(const std::vector<ProxyId>& live) {
  for (const ProxyId& proxy : live) liveness_.restore(proxy, clock_.steady());
}

std::optional<SteadyTime> Writer::turn() {
  ++turn_;
  const SteadyTime now = clock_.steady();
  Liveness::Step judged = liveness_.step(now);
  for (const LivenessChange& change : judged.changes) {
    MESH_LOG_INFO("pipeline", "proxy {} {}", change.proxy.node_id(),
                  change.live ? "may get traffic" : "gets no more traffic");
    outputs_.live(change.proxy, change.live);
  }
  input_.liveness = std::move(judged.changes);
  if (input_.from_start || !input_.resources.empty() || !input_.liveness.empty()) {
    FoldResult result = fold(*current_, std::exchange(input_, {}));
    current_ = result.snapshot;
    snapshot_.set(std::move(result.snapshot));
    follow(result.affected);
    follow_zone_proxies(result.zone_proxies);
  }
  for (const ProxyId& proxy : std::exchange(newcomers_, {})) schedule(proxy, Work::everything());
  begin_goodbyes();
  const std::optional<SteadyTime> wait = begin_waits(now);
  const std::optional<SteadyTime> renewal = renew();
  return earlier(earlier(earlier(judged.next, wait), renewal), barriers_.settle(now));
}

void Writer::follow(const Affected& affected) {
  for (const auto& [name, mesh] : affected) follow_mesh(name, mesh);
}

void Writer::follow_zone_proxies(const std::set<ProxyId>& affected) {
  for (const ProxyId& proxy : affected) {
    schedule(proxy, Work::everything());
    if (current_->zone_proxies.contains(proxy)) continue;
    outputs_.removed(proxy);
    drop_if_unknown(proxy);
  }
}

void Writer::follow_mesh(const std::string& name, const MeshAffected& affected) {
  const std::shared_ptr<const MeshSnapshot> mesh = current_->find(name);
  if (!mesh) return certificates_.forget(name);
  static const ConnectedProxies nobody;
  const auto found = connected_.find(name);
  const ConnectedProxies& connected = found == connected_.end() ? nobody : found->second;
  if ((affected.whole || affected.secrets) && certificates_.refresh(*mesh, !connected.all.empty())) give_secrets(name);
  for (const auto& [dataplane, work] : work_for(affected, *mesh, connected, selects_))
    schedule({name, dataplane}, work);
  for (const std::string& dataplane : affected.dataplanes)
    if (!mesh->dataplanes.contains(dataplane)) {
      outputs_.removed({name, dataplane});
      certificates_.forget(ProxyId{name, dataplane});
      drop_if_unknown({name, dataplane});
    }
}

// Everybody of the mesh gets its secrets; when they have them, a change of CA goes on.
void Writer::give_secrets(const std::string& mesh) {
  Barriers::Barrier barrier;
  barrier.key = "ca/" + mesh;
  barrier.type = XdsType::Secret;
  const auto connected = connected_.find(mesh);
  if (connected != connected_.end())
    for (const std::string& name : connected->second.all) {
      schedule({mesh, name}, {.secrets = true});
      barrier.waiting[{mesh, name}] = turn_;
    }
  if (!certificates_.is_rotating(mesh)) return;
  barrier.deadline = clock_.steady() + std::chrono::duration_cast<SteadyTime::duration>(settings_.rotation_limit);
  barrier.done = [this, mesh, who = barrier.waiting.size()] {
    MESH_LOG_INFO("pipeline", "mesh \"{}\": the change of its CA goes on ({} proxies)", mesh, who);
    if (certificates_.advance(mesh)) give_secrets(mesh);
  };
  barriers_.add(std::move(barrier));
}

void Writer::begin_goodbyes() {
  for (Goodbye& goodbye : std::exchange(goodbyes_, {})) {
    if (liveness_.is_waiting_for_relief(goodbye.proxy)) {  // callers are told later
      goodbyes_.push_back(std::move(goodbye));
      continue;
    }
    Barriers::Barrier barrier;
    barrier.type = XdsType::Endpoint;
    if (const auto mesh = current_->find(goodbye.proxy.mesh))
      for (const std::string& service : goodbye.services)
        if (const NameSet* callers = mesh->callers.get(service))
          for (const std::string& caller : *callers) {
            const auto known = known_.find({mesh->name, caller});
            if (known != known_.end() && !known->second.streams.empty() && caller != goodbye.proxy.name)
              barrier.waiting[known->first] = known->second.progress.scheduled;
          }
    barrier.deadline = clock_.steady() + std::chrono::duration_cast<SteadyTime::duration>(settings_.goodbye_limit);
    barrier.done = std::move(goodbye.withdrawn);
    const auto waiting = barrier.waiting;
    barriers_.add(std::move(barrier));
    for (const auto& [caller, turn] : waiting) barriers_.on_progress(caller, known_.at(caller).progress);
  }
}

void Writer::on_waiting(ListenerWait wait) {
  const SteadyTime deadline = clock_.steady() + std::chrono::duration_cast<SteadyTime::duration>(wait.limit);
  waits_.push_back({std::move(wait), deadline});
}

// Those whose write is in the picture wait for proxies from now on.
std::optional<SteadyTime> Writer::begin_waits(SteadyTime now) {
  std::optional<SteadyTime> next;
  std::vector<Waiting> still;
  for (Waiting& waiting : std::exchange(waits_, {})) {
    if (waiting.wait.upto > current_->upto && waiting.deadline > now) {
      next = earlier(next, waiting.deadline);
      still.push_back(std::move(waiting));
      continue;
    }
    Barriers::Barrier barrier;
    barrier.type = XdsType::Listener;
    barrier.deadline = waiting.deadline;
    barrier.done = std::move(waiting.wait.done);
    if (const auto mesh = connected_.find(waiting.wait.mesh); mesh != connected_.end())
      for (const std::string& name : mesh->second.binding) {
        const ProxyId proxy{waiting.wait.mesh, name};
        const Progress& progress = known_.at(proxy).progress;
        if (!progress.has(XdsType::Listener, progress.scheduled)) barrier.waiting[proxy] = progress.scheduled;
      }
    barriers_.add(std::move(barrier));
  }
  for (Waiting& waiting : still) waits_.push_back(std::move(waiting));
  return next;
}

std::optional<SteadyTime> Writer::renew() {
  const SystemTime now = clock_.now();
  while (!renewals_.empty() && renewals_.begin()->first <= now) {
    const ProxyId proxy = renewals_.begin()->second;
    renewals_.erase(renewals_.begin());
    renewal_of_.erase(proxy);
    schedule(proxy, {.secrets = true});
  }
  if (renewals_.empty()) return std::nullopt;
  return clock_.steady() + std::chrono::duration_cast<SteadyTime::duration>(renewals_.begin()->first - now);
}

void Writer::schedule(const ProxyId& proxy, const Work& work) {
  const auto found = known_.find(proxy);
  if (found == known_.end() || found->second.streams.empty()) return;
  found->second.progress.scheduled = turn_;
  builders_.schedule(found->second.proxy, work, turn_);
}

// It has no stream, and no Dataplane: its configuration is of no use to anybody.
void Writer::drop_if_unknown(const ProxyId& proxy) {
  const auto found = known_.find(proxy);
  if (found == known_.end() || !found->second.streams.empty()) return;
  const auto mesh = current_->find(proxy.mesh);
  if (mesh && mesh->dataplanes.contains(proxy.name)) return;
  if (current_->zone_proxies.contains(proxy)) return;
  std::lock_guard lock(known_mutex_);
  known_.erase(found);
}

std::shared_ptr<Proxy> Writer::find(const ProxyId& proxy) const {
  std::lock_guard lock(known_mutex_);
  const auto found = known_.find(proxy);
  return found == known_.end() ? nullptr : found->second.proxy;
}

}  // namespace mesh
