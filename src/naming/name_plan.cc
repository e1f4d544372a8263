// The half of NamePlanner that says what has to be written.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/log.h"
#include "naming/name_planner.h"
#include "naming/service_draft.h"

namespace mesh {
namespace {

SystemTime after(SystemTime time, Duration by) { return time + std::chrono::duration_cast<SystemTime::duration>(by); }

// A condition that is not there when all is well.
Condition no_condition(const char* type) { return {type, {}, {}, {}, {}}; }

}  // namespace

NamePlanner::Plan NamePlanner::plan(SystemTime now) {
  Plan out;
  if (ledger_.expire(now)) {
    tags_.merge(tags_without_address_);
    dirty_.merge(without_address_);
  }
  gather(now);
  for (const ServiceName& tag : std::exchange(tags_, {})) plan_tag(tag, now);
  if (std::exchange(is_first_plan_, false)) release_leftovers(now);
  for (const std::string& owner : std::exchange(gone_, {})) ledger_.release(owner, now);
  std::set<ResourceKey> waiting;
  std::vector<Write> services;
  for (const ResourceKey& key : std::exchange(dirty_, {}))
    if (!plan_service(key, now, services)) waiting.insert(key);
  // Names that were given up in this very plan may be another's by now.
  for (const ResourceKey& key : hostnames_.take_touched())
    if (const auto service = services_.find(key); service != services_.end() && !service->second.waits)
      if (!plan_service(key, now, services)) waiting.insert(key);
  dirty_.merge(waiting);
  for (AddressLedger::BlockWrite& block : ledger_.take_writes())
    out.writes.push_back({std::move(block.resource), block.stored, block.remove});
  std::ranges::move(services, std::back_inserter(out.writes));
  out.next = next_time();
  return out;
}

void NamePlanner::gather(SystemTime now) {
  for (const ServiceName& tag : book_.take_touched_tags()) tags_.insert(tag);
  for (const ResourceKey& key : hostnames_.take_touched()) dirty_.insert(key);
  for (const ServiceName& name : book_.take_touched_totals()) dirty_.insert({&kMeshServiceKind, name.mesh, name.name});
  std::erase_if(later_, [&](const auto& entry) {
    if (entry.second > now) return false;
    dirty_.insert(entry.first);
    return true;
  });
  for (const auto& [key, due] : grace_)
    if (due <= now) dirty_.insert(key);
}

// What nobody has any more: its owner went while there was no leader.
void NamePlanner::release_leftovers(SystemTime now) {
  std::set<std::string> owners;
  for (const auto& [key, service] : services_) owners.insert(owner_of(key));
  for (const std::string& owner : ledger_.owners()) {
    const std::string service = service_of_owner(owner);
    if (service.empty() ? !owners.contains(owner) : !offered_in_.contains(service)) ledger_.release(owner, now);
  }
}

void NamePlanner::plan_tag(const ServiceName& tag, SystemTime now) {
  ++work_done_;
  const auto mesh = meshes_.find(tag.mesh);
  const bool is_known = mesh != meshes_.end();
  const bool needs_address =
      settings_.service_vips && is_known && mesh->second.mode != MeshServicesMode::Exclusive && book_.is_offered(tag);
  std::set<std::string>& meshes = offered_in_[tag.name];
  if (needs_address)
    meshes.insert(tag.mesh);
  else
    meshes.erase(tag.mesh);
  const std::string owner = owner_of_service(tag.name);
  if (meshes.empty()) {
    offered_in_.erase(tag.name);
    ledger_.release(owner, now);
  } else if (const Result<std::string> address = ledger_.take(owner); !address) {
    tags_without_address_.insert(tag);
    if (!std::exchange(full_told_, true))
      MESH_LOG_ERROR("naming", "service \"{}\" gets no address: {} (dnsServer.CIDR, KUMA_DNS_SERVER_CIDR)", tag.name,
                     address.error().text);
  } else {
    full_told_ = false;
  }
  const ResourceKey key{&kMeshServiceKind, tag.mesh, tag.name};
  if (is_known && (mesh->second.mode != MeshServicesMode::Disabled || services_.contains(key))) dirty_.insert(key);
}

// False: it waits for the store, and has to be looked at again.
bool NamePlanner::plan_service(const ResourceKey& key, SystemTime now, std::vector<Write>& writes) {
  ++work_done_;
  auto found = services_.find(key);
  if (found == services_.end()) {
    if (key.kind != &kMeshServiceKind) return true;
    found = services_.try_emplace(key).first;
  }
  Service& service = found->second;
  if (service.waits) return false;
  const bool is_new = service.stored.spec.empty();
  Resource draft = service.stored;
  draft.key = key;
  if (key.kind == &kMeshServiceKind && (is_new || is_generated(draft)) && !generate(key, service, draft, now, writes)) {
    if (is_new && !service.waits) services_.erase(key);
    return true;
  }
  complete(draft);
  if (!is_new && is_same(draft, service.stored)) return true;
  if (!is_new && differ_in_counts_only(draft, service.stored) && now < after(service.counted, settings_.settle)) {
    later_[key] = after(service.counted, settings_.settle);
    return true;
  }
  service.counted = now;
  service.waits = true;
  draft.modified = now;
  writes.push_back({std::move(draft), service.stored.revision, false});
  return true;
}

// What a MeshService is to be by its Dataplanes. False: nothing is left to say of it in this plan.
bool NamePlanner::generate(const ResourceKey& key, Service& service, Resource& draft, SystemTime now,
                           std::vector<Write>& writes) {
  const bool is_new = service.stored.spec.empty();
  const auto remove = [&] {
    service.waits = true;
    writes.push_back({service.stored, service.stored.revision, true});
  };
  const auto mesh = meshes_.find(key.mesh);
  if (mesh == meshes_.end()) return false;  // it goes with its mesh
  const ServiceName name{key.mesh, key.name};
  if (mesh->second.mode == MeshServicesMode::Disabled) {
    if (!is_new) remove();
    return false;
  }
  const auto* stored = service.stored.spec.as<MeshService>();
  std::optional<ServiceBook::Wanted> wanted = book_.wanted(name, stored == nullptr ? nullptr : &stored->ports);
  if (!wanted) {
    in_conflict_.erase(name);
    if (is_new) return false;
    const auto due = grace_.find(key);
    if (settings_.deletion_grace == Duration::zero() || (due != grace_.end() && due->second <= now)) {
      remove();
      return false;
    }
    if (due == grace_.end()) draft.labels[kDeletionGraceLabel] = format_time(now);
    return true;
  }
  draft.labels.erase(kDeletionGraceLabel);
  for (const auto& [label, value] : generated_labels(key, settings_.zone)) draft.labels[label] = value;
  if (wanted->in_conflict.empty())
    in_conflict_.erase(name);
  else
    in_conflict_[name] = wanted->in_conflict;
  MeshService spec = stored == nullptr ? MeshService() : *stored;
  spec.selector = std::move(wanted->spec.selector);
  spec.ports = std::move(wanted->spec.ports);
  draft.spec = AnySpec::of(std::move(spec));
  if (is_new) draft.created = now;
  // So that its counts and names are right at once, and not only when the store has said that it is there.
  hostnames_.on_service(draft);
  book_.on_service(draft);
  return true;
}

void NamePlanner::complete(Resource& draft) {
  const ResourceKey& key = draft.key;
  std::vector<Condition> conditions;
  const std::string address = address_for(draft, conditions);
  if (key.kind == &kMeshServiceKind) conditions.push_back(port_conflict(key));
  set_names(draft, hostnames_.outcome_of(key), address, std::move(conditions));
  if (key.kind == &kMeshServiceKind && is_local(draft)) {
    const auto mesh = meshes_.find(key.mesh);
    set_totals(draft, book_.totals_of({key.mesh, key.name}), mesh != meshes_.end() && mesh->second.has_tls);
  }
  if (const auto* multi = draft.spec.as<MeshMultiZoneService>()) set_members(draft, members_of(key, *multi));
}

Condition NamePlanner::port_conflict(const ResourceKey& key) {
  constexpr const char* type = "PortConflict";
  const auto conflict = in_conflict_.find({key.mesh, key.name});
  Service& service = services_[key];
  if (conflict == in_conflict_.end()) {
    service.conflict_told = false;
    return no_condition(type);
  }
  constexpr std::size_t enough = 10;
  const std::vector<std::string>& who = conflict->second;
  const auto shown = who.begin() + static_cast<std::ptrdiff_t>(std::min(who.size(), enough));
  const std::string message =
      fmt::format("the ports of {} Dataplanes differ from those of the service, and are not part of it: {}{}",
                  who.size(), fmt::join(who.begin(), shown, ", "), who.size() > enough ? ", …" : "");
  if (!std::exchange(service.conflict_told, true)) MESH_LOG_WARN("naming", "{}: {}", key.to_string(), message);
  return {type, "True", "PortsDiffer", message, {}};
}

std::vector<MatchedMeshService> NamePlanner::members_of(const ResourceKey& key,
                                                        const MeshMultiZoneService& spec) const {
  std::vector<MatchedMeshService> out;
  for (auto each = services_.lower_bound({&kMeshServiceKind, key.mesh, {}});
       each != services_.end() && each->first.kind == &kMeshServiceKind && each->first.mesh == key.mesh; ++each) {
    const Labels& labels = each->second.stored.labels;
    if (each->second.stored.spec.empty() || !spec.selector.mesh_service.matches(labels)) continue;
    const auto label = [&](const char* name) { return labels.contains(name) ? labels.at(name) : std::string(); };
    const std::string shown = label("kuma.io/display-name");
    out.push_back(
        {shown.empty() ? each->first.name : shown, label("k8s.kuma.io/namespace"), label("kuma.io/zone"), key.mesh});
  }
  return out;
}

std::string NamePlanner::address_for(const Resource& draft, std::vector<Condition>& conditions) {
  constexpr const char* type = "AddressAllocated";
  const std::string owner = owner_of(draft.key);
  const std::string current = vip_of(draft);
  if (!ledger_.holds(owner) && !current.empty()) ledger_.adopt(owner, current);
  const Result<std::string> address = ledger_.take(owner);
  if (address) {
    conditions.push_back(no_condition(type));
    return *address;
  }
  without_address_.insert(draft.key);
  conditions.push_back({type, "False", "RangeIsFull", address.error().text, {}});
  if (!std::exchange(full_told_, true))
    MESH_LOG_ERROR("naming", "{} gets no address: {} (ipam, KUMA_IPAM_…_CIDR)", draft.key.to_string(),
                   address.error().text);
  return {};
}

std::optional<SystemTime> NamePlanner::next_time() const {
  std::optional<SystemTime> next = ledger_.next_expiry();
  const auto consider = [&](SystemTime time) {
    if (!next || time < *next) next = time;
  };
  for (const auto& [key, time] : later_) consider(time);
  for (const auto& [key, time] : grace_)
    if (const auto service = services_.find(key); service != services_.end() && !service->second.waits) consider(time);
  return next;
}

}  // namespace mesh
