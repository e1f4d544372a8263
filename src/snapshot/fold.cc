#include "snapshot/fold.h"

#include <algorithm>
#include <utility>

#include "model/address_block.h"
#include "model/proxy.h"
#include "snapshot/views.h"

namespace mesh {
namespace {

using views::services_of;

bool is_dataplane(const Kind& kind) { return &kind == &kDataplaneKind; }
bool is_mesh(const Kind& kind) { return &kind == &kMeshKind; }
bool is_secret(const Kind& kind) { return kind.name == "Secret"; }

// The next picture of one mesh, while it is being made.
class MeshFold {
 public:
  MeshFold(std::string name, const MeshSnapshot* before) {
    if (before != nullptr) next_ = *before;
    next_.name = std::move(name);
    vips_before_ = next_.vips;
  }

  void apply(const ResourceChange& change) {
    const Kind& kind = *change.key.kind;
    if (is_mesh(kind))
      apply_mesh(change.now);
    else if (is_dataplane(kind))
      apply_dataplane(change.key.name, change.now);
    else if (is_secret(kind))
      apply_secret(change.key.name, change.now);
    else if (is_backend(kind))
      apply_backend(kind, change.key.name, change.now);
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
    if (const SharedResource* dataplane = next_.dataplanes.get(name)) {
      stale_.merge(services_of(*dataplane).offered);
      note_selectors(*dataplane);
    }
  }

  // The virtual addresses of all services, and the services whose address is another one now.
  void set_vips(const SharedMap<std::string, std::string>& vips, const std::set<std::string>& changed) {
    next_.vips = vips;
    moved_.insert(changed.begin(), changed.end());
  }

  MeshAffected finish() {
    if (regroup_) regroup();
    for (const std::string& service : stale_) refresh(service);
    for (const std::string& key : stale_selected_) refresh_selected(key);
    for (const std::string& service : moved_)
      if (next_.services.contains(service)) note_service(service);
    return std::move(affected_);
  }

  // Everything of the mesh that is not in the store any more; what proxies told of themselves stays true.
  void forget_resources() {
    MeshSnapshot empty;
    empty.name = next_.name;
    empty.live = next_.live;
    empty.vips = next_.vips;
    next_ = std::move(empty);
    affected_.whole = true;
  }

  bool is_complete() const { return next_.mesh != nullptr; }
  bool is_empty() const {
    return !is_complete() && next_.dataplanes.empty() && next_.policies.empty() && next_.live.empty() &&
           next_.backends.empty() && next_.secrets.empty();
  }
  std::shared_ptr<const MeshSnapshot> take() { return std::make_shared<const MeshSnapshot>(std::move(next_)); }

 private:
  void apply_mesh(const SharedResource& now) {
    next_.mesh = now;
    affected_.whole = true;
  }

  void apply_dataplane(const std::string& name, const SharedResource& now) {
    const SharedResource* known = next_.dataplanes.get(name);
    const SharedResource before_resource = known == nullptr ? nullptr : *known;
    const views::Services before = services_of(before_resource);
    const views::Services after = services_of(now);
    if (now == nullptr)
      next_.dataplanes.erase(name);
    else
      next_.dataplanes.insert_or_assign(name, now);
    if (before_resource != nullptr) note_selectors(before_resource);
    if (now != nullptr) note_selectors(now);
    for (const std::string& service : before.offered)
      if (!after.offered.contains(service)) views::remove_from(next_.providers, service, name);
    for (const std::string& service : before.called)
      if (!after.called.contains(service)) views::remove_from(next_.callers, service, name);
    for (const std::string& service : after.offered) views::add_to(next_.providers, service, name);
    for (const std::string& service : after.called) views::add_to(next_.callers, service, name);
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

  void apply_secret(const std::string& name, const SharedResource& now) {
    affected_.secrets = true;
    if (now == nullptr)
      next_.secrets.erase(name);
    else
      next_.secrets.insert_or_assign(name, now);
    for (const auto& [key, view] : next_.backends)
      if (&view->kind() == &kMeshExternalServiceKind) affected_.outbounds[key].push_back({view, {}});
  }

  void apply_backend(const Kind& kind, const std::string& name, const SharedResource& now) {
    regroup_ |= &kind == &kMeshServiceKind;
    replace(backend_key(kind, name), now == nullptr ? nullptr : build_backend(now, next_.backends));
  }

  void replace(const std::string& key, std::shared_ptr<const BackendView> after) {
    const auto* known = next_.backends.get(key);
    const std::shared_ptr<const BackendView> before = known == nullptr ? nullptr : *known;
    if (before == nullptr && after == nullptr) return;
    const bool same = before && after && looks_the_same(*before, *after);
    affected_.names |= !same || before->hostnames != after->hostnames;
    if (!same) {
      affected_.outbounds[key].push_back({before, {}});
      use_views(before.get(), views::remove_from);
      use_views(after.get(), views::add_to);
      if ((before && selector_of_its_own(*before)) || (after && selector_of_its_own(*after)))
        stale_selected_.insert(key);
    }
    if (after == nullptr)
      next_.backends.erase(key);
    else
      next_.backends.insert_or_assign(key, std::move(after));
  }

  void use_views(const BackendView* backend, void (*change)(views::Index&, const std::string&, const std::string&)) {
    if (backend == nullptr) return;
    for (const BackendPort& port : backend->ports)
      for (const EndpointSource& source : port.sources) change(next_.users, source.view, backend->key);
  }

  // MeshServices changed: what stands for several of them may, too.
  void regroup() {
    std::vector<SharedResource> groups;
    const std::string first = backend_key(kMeshMultiZoneServiceKind, "");
    for (const auto& [key, view] : next_.backends)
      if (key.starts_with(first)) groups.push_back(view->resource);
    for (const SharedResource& group : groups)
      replace(backend_key(*group->key.kind, group->key.name), build_backend(group, next_.backends));
  }

  // Backends with a selector of their own that picks this Dataplane: few have one.
  void note_selectors(const SharedResource& dataplane) {
    for (const auto& [key, view] : next_.selected) {
      const auto* backend = next_.backends.get(key);
      const ServiceSelector* selector = backend == nullptr ? nullptr : selector_of_its_own(**backend);
      if (selector != nullptr && selector->selects(*dataplane)) stale_selected_.insert(key);
    }
  }

  void refresh_selected(const std::string& key) {
    const auto* backend = next_.backends.get(key);
    const ServiceSelector* selector = backend == nullptr ? nullptr : selector_of_its_own(**backend);
    if (selector == nullptr) {
      next_.selected.erase(key);
      return;
    }
    std::shared_ptr<const ServiceView> after = views::build_selected(next_, *selector);
    const auto* before = next_.selected.get(key);
    if (before != nullptr && **before == *after) return;
    affected_.endpoints.insert(key);
    next_.selected.insert_or_assign(key, std::move(after));
  }

  void note_service(const std::string& service) {
    const std::string* address = vips_before_.get(service);
    affected_.outbounds[service_key(service)].push_back({nullptr, address == nullptr ? std::string() : *address});
    affected_.names = true;
  }

  void refresh(const std::string& service) {
    const auto* known = next_.services.get(service);
    const std::shared_ptr<const ServiceView> before = known == nullptr ? nullptr : *known;
    std::shared_ptr<const ServiceView> after = views::build_view(next_, service);
    if (after == nullptr) {
      if (before == nullptr) return;
      next_.services.erase(service);
      affected_.shapes.insert(service);
      note_service(service);
      return;
    }
    if (before != nullptr && *before == *after) return;
    if (before != nullptr && before->protocol == after->protocol) {
      affected_.endpoints.insert(service);
    } else {
      affected_.shapes.insert(service);
      affected_.endpoints.insert(service);
      note_service(service);
    }
    next_.services.insert_or_assign(service, std::move(after));
  }

  MeshSnapshot next_;
  MeshAffected affected_;
  SharedMap<std::string, std::string> vips_before_;
  std::set<std::string> stale_;           // services whose view has to be made anew
  std::set<std::string> stale_selected_;  // the same of backends with selectors of their own
  std::set<std::string> moved_;           // services with another virtual address
  bool regroup_ = false;
};

template <class Visit>
void each_service(const Resource& block, const Visit& visit) {
  for (const auto& [address, entry] : block.spec_as<AddressBlock>().addresses)
    if (const std::string service = service_of_owner(entry.owner); !service.empty() && !entry.freed)
      visit(service, address);
}

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
    for (const auto& [name, block] : before_.address_blocks) apply_addresses(name, nullptr);
  }

  void apply_addresses(const std::string& name, const SharedResource& now) {
    const SharedResource* before = next_->address_blocks.get(name);
    if (before != nullptr)
      each_service(**before, [&](const std::string& service, const std::string& address) {
        const std::string* known = next_->vips.get(service);
        if (known == nullptr || *known != address) return;
        next_->vips.erase(service);
        moved_.insert(service);
      });
    if (now == nullptr) {
      next_->address_blocks.erase(name);
      return;
    }
    next_->address_blocks.insert_or_assign(name, now);
    each_service(*now, [&](const std::string& service, const std::string& address) {
      next_->vips.insert_or_assign(service, address);
      moved_.insert(service);
    });
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
    std::erase_if(moved_, [&](const std::string& service) {
      const std::string* was = before_.vips.get(service);
      const std::string* is = next_->vips.get(service);
      return was == nullptr || is == nullptr ? was == is : *was == *is;
    });
    if (!moved_.empty()) {
      for (const auto& [name, mesh] : before_.meshes) of(name);
      for (const auto& [name, mesh] : before_.incomplete) of(name);
    }
    for (auto& [name, mesh] : open_) mesh.set_vips(next_->vips, moved_);
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
  std::set<std::string> moved_;
};

// Whether any proxy's configuration depends on resources of this kind.
bool concerns_proxies(const Kind& kind) {
  return is_mesh(kind) || is_dataplane(kind) || is_secret(kind) || is_backend(kind) || kind.is_policy;
}

}  // namespace

bool MeshAffected::empty() const {
  return !whole && dataplanes.empty() && shapes.empty() && endpoints.empty() && outbounds.empty() && !names &&
         policies.empty() && !secrets;
}

FoldResult fold(const Snapshot& before, const FoldInput& input) {
  Fold next(before);
  if (input.from_start) next.forget_resources();
  for (const ResourceChange& change : input.resources) {
    const auto proxy = proxy_of_resource(change.key);
    if (proxy && proxy->type != ProxyRole::Dataplane) next.apply_zone_proxy(*proxy, change.now);
    if (change.key.kind == &kAddressBlockKind) next.apply_addresses(change.key.name, change.now);
    if (!concerns_proxies(*change.key.kind)) continue;
    next.of(is_mesh(*change.key.kind) ? change.key.name : change.key.mesh).apply(change);
  }
  for (const LivenessChange& change : input.liveness)
    if (change.proxy.type == ProxyRole::Dataplane) next.of(change.proxy.mesh).apply(change);
  return next.finish(input.upto);
}

}  // namespace mesh
