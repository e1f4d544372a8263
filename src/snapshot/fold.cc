#include "snapshot/fold.h"

#include <algorithm>
#include <utility>

#include "model/proxy.h"

namespace mesh {
namespace {

bool is_dataplane(const Kind& kind) { return &kind == &kDataplaneKind; }
bool is_mesh(const Kind& kind) { return &kind == &kMeshKind; }
bool is_secret(const Kind& kind) { return kind.name == "Secret"; }

using Index = SharedMap<std::string, NameSet>;

void add_to(Index& index, const std::string& service, const std::string& dataplane) {
  const NameSet* known = index.get(service);
  NameSet names = known == nullptr ? NameSet() : *known;
  if (names.insert(dataplane)) index.insert_or_assign(service, std::move(names));
}

void remove_from(Index& index, const std::string& service, const std::string& dataplane) {
  const NameSet* known = index.get(service);
  if (known == nullptr) return;
  NameSet names = *known;
  if (names.erase(dataplane) == 0) return;
  if (names.empty())
    index.erase(service);
  else
    index.insert_or_assign(service, std::move(names));
}

struct Services {
  std::set<std::string> offered, called;
};

Services services_of(const SharedResource& dataplane) {
  Services out;
  if (dataplane == nullptr) return out;
  const Networking& networking = dataplane->spec_as<Dataplane>().networking;
  for (const Inbound& inbound : networking.inbound)
    if (inbound.state != InboundState::Ignored && !inbound.service().empty()) out.offered.insert(inbound.service());
  for (const Outbound& outbound : networking.outbound)
    if (!outbound.service().empty()) out.called.insert(outbound.service());
  return out;
}

std::string common_protocol(const std::string& a, const std::string& b) {
  if (a == b) return a;
  const auto speaks_http2 = [](const std::string& protocol) { return protocol == "http2" || protocol == "grpc"; };
  return speaks_http2(a) && speaks_http2(b) ? "http2" : "tcp";
}

bool is_declared_ready(const Inbound& inbound) {
  return inbound.state == InboundState::Ready && (!inbound.health || inbound.health->ready);
}

const std::string& address_of(const Dataplane& dataplane, const Inbound& inbound) {
  const Networking& networking = dataplane.networking;
  if (!networking.advertised_address.empty()) return networking.advertised_address;
  return inbound.address.empty() ? networking.address : inbound.address;
}

// Null when nobody offers it.
std::shared_ptr<const ServiceView> build_view(const MeshSnapshot& mesh, const std::string& service) {
  const NameSet* providers = mesh.providers.get(service);
  if (providers == nullptr) return nullptr;
  auto view = std::make_shared<ServiceView>();
  view->name = service;
  for (const std::string& name : *providers) {
    const SharedResource& resource = mesh.dataplanes.at(name);
    const Dataplane& dataplane = resource->spec_as<Dataplane>();
    const std::set<std::uint32_t>* unavailable = mesh.live.get(name);
    const auto gets_traffic = [&](const Inbound& inbound) {
      return unavailable != nullptr && !unavailable->contains(inbound.port) && is_declared_ready(inbound);
    };
    const std::size_t first = view->endpoints.size();
    for (const Inbound& inbound : dataplane.networking.inbound) {
      if (inbound.state == InboundState::Ignored || inbound.service() != service) continue;
      const std::string protocol = inbound.protocol();
      view->protocol = view->protocol.empty() ? protocol : common_protocol(view->protocol, protocol);
      if (!gets_traffic(inbound)) continue;
      view->endpoints.push_back({name, address_of(dataplane, inbound), inbound.port, inbound.tags,
                                 std::shared_ptr<const Labels>(resource, &resource->labels)});
    }
    std::stable_sort(view->endpoints.begin() + static_cast<std::ptrdiff_t>(first), view->endpoints.end(),
                     [](const Endpoint& a, const Endpoint& b) { return a.port < b.port; });
  }
  return view;
}

// The next picture of one mesh, while it is being made.
class MeshFold {
 public:
  MeshFold(std::string name, const MeshSnapshot* before) {
    if (before != nullptr) next_ = *before;
    next_.name = std::move(name);
  }

  void apply(const ResourceChange& change) {
    const Kind& kind = *change.key.kind;
    if (is_mesh(kind))
      apply_mesh(change.now);
    else if (is_dataplane(kind))
      apply_dataplane(change.key.name, change.now);
    else if (is_secret(kind))
      affected_.secrets = true;
    else if (kind.is_policy)
      apply_policy(kind, change.key.name, change.now);
  }

  void apply(const LivenessChange& change) {
    const std::string& name = change.proxy.name;
    const std::set<std::uint32_t>* known = next_.live.get(name);
    const bool was_live = known != nullptr;
    if (was_live == change.live && (!was_live || *known == change.unavailable_ports)) return;
    if (change.live)
      next_.live.insert_or_assign(name, change.unavailable_ports);
    else
      next_.live.erase(name);
    if (const SharedResource* dataplane = next_.dataplanes.get(name)) stale_.merge(services_of(*dataplane).offered);
  }

  MeshAffected finish() {
    for (const std::string& service : stale_) refresh(service);
    return std::move(affected_);
  }

  // Everything of the mesh that is not in the store any more; what proxies told of themselves stays true.
  void forget_resources() {
    MeshSnapshot empty;
    empty.name = next_.name;
    empty.live = next_.live;
    next_ = std::move(empty);
    affected_.whole = true;
  }

  bool is_complete() const { return next_.mesh != nullptr; }
  bool is_empty() const {
    return !is_complete() && next_.dataplanes.empty() && next_.policies.empty() && next_.live.empty();
  }
  std::shared_ptr<const MeshSnapshot> take() { return std::make_shared<const MeshSnapshot>(std::move(next_)); }

 private:
  void apply_mesh(const SharedResource& now) {
    next_.mesh = now;
    affected_.whole = true;
  }

  void apply_dataplane(const std::string& name, const SharedResource& now) {
    const SharedResource* known = next_.dataplanes.get(name);
    const Services before = services_of(known == nullptr ? nullptr : *known);
    const Services after = services_of(now);
    if (now == nullptr)
      next_.dataplanes.erase(name);
    else
      next_.dataplanes.insert_or_assign(name, now);
    for (const std::string& service : before.offered)
      if (!after.offered.contains(service)) remove_from(next_.providers, service, name);
    for (const std::string& service : before.called)
      if (!after.called.contains(service)) remove_from(next_.callers, service, name);
    for (const std::string& service : after.offered) add_to(next_.providers, service, name);
    for (const std::string& service : after.called) add_to(next_.callers, service, name);
    stale_.insert(before.offered.begin(), before.offered.end());
    stale_.insert(after.offered.begin(), after.offered.end());
    affected_.dataplanes.insert(name);
  }

  void apply_policy(const Kind& kind, const std::string& name, const SharedResource& now) {
    const PolicyList& before = next_.policies[&kind];
    auto list = before ? std::make_shared<std::vector<SharedResource>>(*before)
                       : std::make_shared<std::vector<SharedResource>>();
    const auto place = std::lower_bound(list->begin(), list->end(), name,
                                        [](const SharedResource& a, const std::string& b) { return a->key.name < b; });
    const bool was_there = place != list->end() && (*place)->key.name == name;
    SharedResource old = was_there ? *place : nullptr;
    if (old == nullptr && now == nullptr) {
      if (!before) next_.policies.erase(&kind);
      return;
    }
    if (now == nullptr)
      list->erase(place);
    else if (was_there)
      *place = now;
    else
      list->insert(place, now);
    if (list->empty())
      next_.policies.erase(&kind);
    else
      next_.policies[&kind] = std::move(list);
    affected_.policies.push_back({&kind, std::move(old), now});
  }

  void refresh(const std::string& service) {
    const auto* known = next_.services.get(service);
    const std::shared_ptr<const ServiceView> before = known == nullptr ? nullptr : *known;
    std::shared_ptr<const ServiceView> after = build_view(next_, service);
    if (after == nullptr) {
      if (before == nullptr) return;
      next_.services.erase(service);
      affected_.shapes.insert(service);
      return;
    }
    if (before != nullptr && *before == *after) return;
    (before != nullptr && before->protocol == after->protocol ? affected_.endpoints : affected_.shapes).insert(service);
    next_.services.insert_or_assign(service, std::move(after));
  }

  MeshSnapshot next_;
  MeshAffected affected_;
  std::set<std::string> stale_;  // services whose view has to be made anew
};

class Fold {
 public:
  explicit Fold(const Snapshot& before) : before_(before), next_(std::make_shared<Snapshot>(before)) {}

  MeshFold& of(const std::string& mesh) {
    const auto found = open_.find(mesh);
    if (found != open_.end()) return found->second;
    return open_.emplace(mesh, MeshFold(mesh, known(mesh))).first->second;
  }

  void forget_resources() {
    for (const auto& [name, mesh] : before_.meshes) of(name).forget_resources();
    for (const auto& [name, mesh] : before_.incomplete) of(name).forget_resources();
    for (const auto& [proxy, resource] : before_.zone_proxies) apply_zone_proxy(proxy, nullptr);
  }

  void apply_zone_proxy(const ProxyId& proxy, const SharedResource& now) {
    if (now == nullptr)
      next_->zone_proxies.erase(proxy);
    else
      next_->zone_proxies.insert_or_assign(proxy, now);
    zone_proxies_.insert(proxy);
  }

  FoldResult finish(Revision upto) {
    FoldResult out;
    out.zone_proxies = std::move(zone_proxies_);
    next_->upto = std::max(before_.upto, upto);
    for (auto& [name, mesh] : open_) {
      MeshAffected affected = mesh.finish();
      next_->meshes.erase(name);
      next_->incomplete.erase(name);
      if (mesh.is_complete())
        next_->meshes.emplace(name, mesh.take());
      else if (!mesh.is_empty())
        next_->incomplete.emplace(name, mesh.take());
      if (!affected.empty()) out.affected.emplace(name, std::move(affected));
    }
    out.snapshot = std::move(next_);
    return out;
  }

 private:
  const MeshSnapshot* known(const std::string& mesh) const {
    if (const auto found = before_.meshes.find(mesh); found != before_.meshes.end()) return found->second.get();
    if (const auto found = before_.incomplete.find(mesh); found != before_.incomplete.end()) return found->second.get();
    return nullptr;
  }

  const Snapshot& before_;
  std::shared_ptr<Snapshot> next_;
  std::map<std::string, MeshFold> open_;
  std::set<ProxyId> zone_proxies_;
};

// Whether any proxy's configuration depends on resources of this kind.
bool concerns_proxies(const Kind& kind) {
  return is_mesh(kind) || is_dataplane(kind) || is_secret(kind) || kind.is_policy;
}

}  // namespace

bool MeshAffected::empty() const {
  return !whole && dataplanes.empty() && shapes.empty() && endpoints.empty() && policies.empty() && !secrets;
}

FoldResult fold(const Snapshot& before, const FoldInput& input) {
  Fold next(before);
  if (input.from_start) next.forget_resources();
  for (const ResourceChange& change : input.resources) {
    const auto proxy = proxy_of_resource(change.key);
    if (proxy && proxy->type != ProxyRole::Dataplane) next.apply_zone_proxy(*proxy, change.now);
    if (!concerns_proxies(*change.key.kind)) continue;
    next.of(is_mesh(*change.key.kind) ? change.key.name : change.key.mesh).apply(change);
  }
  for (const LivenessChange& change : input.liveness)
    if (change.proxy.type == ProxyRole::Dataplane) next.of(change.proxy.mesh).apply(change);
  return next.finish(input.upto);
}

}  // namespace mesh
