#include "controllers/route53_names.h"

#include <algorithm>

#include "model/address_block.h"
#include "model/mesh.h"
#include "naming/route53/record_names.h"
#include "naming/service_names.h"

namespace mesh {
namespace {

using route53::NameState;

bool is_service(const Kind* kind) {
  return kind == &kMeshServiceKind || kind == &kMeshMultiZoneServiceKind || kind == &kMeshExternalServiceKind;
}

std::string zone_text(const std::string& zone_id) { return "hosted zone " + zone_id; }

// Puts, replaces or (none) takes away the condition.
bool set_published(std::vector<Condition>& conditions, const std::optional<Condition>& wanted) {
  const auto at = std::find_if(conditions.begin(), conditions.end(),
                               [](const Condition& one) { return one.type == kPublishedCondition; });
  if (!wanted) {
    if (at == conditions.end()) return false;
    conditions.erase(at);
    return true;
  }
  if (at != conditions.end() && *at == *wanted) return false;
  if (at == conditions.end())
    conditions.push_back(*wanted);
  else
    *at = *wanted;
  return true;
}

std::optional<Condition> published_in(const std::vector<Condition>& conditions) {
  for (const Condition& one : conditions)
    if (one.type == kPublishedCondition) return one;
  return std::nullopt;
}

}  // namespace

Route53Names::NameKey Route53Names::key_of(const WantedRecord& record) {
  const Result<std::string> id = aws::hosted_zone_id(record.zone_id);
  return {id ? *id : record.zone_id, route53::record_name(record.hostname)};
}

Route53Names::News Route53Names::on_batch(const ChangeBatch& batch) {
  News news;
  if (batch.from_start) {  // names that are still there are not new
    is_first_ = is_first_ || sources_.empty();
    zones_.clear();
    meshes_.clear();
    std::set<ResourceKey> gone;
    for (const auto& [key, _] : sources_) gone.insert(key);
    for (const Change& change : batch.changes) gone.erase(change.resource.key);
    for (const ResourceKey& key : gone) remove(key);
  }
  // Generators first: services look them up.
  for (const bool generators : {true, false}) {
    for (const Change& change : batch.changes) {
      if ((change.resource.key.kind == &kHostnameGeneratorKind) != generators) continue;
      if (change.op == Change::Op::Put)
        put(change.resource, news);
      else
        remove(change.resource.key);
    }
    if (!generators) continue;
    const bool any = std::any_of(batch.changes.begin(), batch.changes.end(), [](const Change& change) {
      return change.resource.key.kind == &kHostnameGeneratorKind;
    });
    if (!any && !batch.from_start) continue;
    for (auto& [_, source] : sources_) renew(source, news);
  }
  if (std::exchange(is_first_, false)) {  // they were there before us
    is_changed_ = true;
    return {};
  }
  held_.insert(news.names.begin(), news.names.end());
  return news;
}

void Route53Names::put(const Resource& resource, News& news) {
  const Kind* kind = resource.key.kind;
  if (kind == &kMeshKind) meshes_.insert(resource.key.name);
  if (kind == &kHostnameGeneratorKind) {
    const auto* spec = resource.spec.as<HostnameGenerator>();
    zones_[resource.key.name] = spec == nullptr ? std::string() : hosted_zone_of(*spec, settings_.zone);
  }
  if (!is_service(kind) && kind != &kAddressBlockKind) return;
  Source& source = sources_[resource.key];
  source.resource = resource;
  source.waits = false;
  renew(source, news);
}

void Route53Names::remove(const ResourceKey& key) {
  if (key.kind == &kMeshKind) meshes_.erase(key.name);
  if (key.kind == &kHostnameGeneratorKind) zones_.erase(key.name);
  const auto found = sources_.find(key);
  if (found == sources_.end()) return;
  News nothing;
  found->second.resource.status = {};
  found->second.resource.spec = {};
  renew(found->second, nothing);
  unsaid_.erase(key);
  sources_.erase(found);
}

std::vector<Route53Names::Source::Name> Route53Names::names_of(const Resource& resource) const {
  std::vector<Source::Name> out;
  if (resource.key.kind == &kAddressBlockKind) {
    const auto* block = resource.spec.as<AddressBlock>();
    if (block == nullptr || settings_.zone_id.empty()) return out;
    for (const auto& [address, entry] : block->addresses) {
      const std::string service = service_of_owner(entry.owner);
      if (service.empty() || entry.freed) continue;
      for (const std::string& hostname : service_hostnames(service, settings_.domain))
        out.push_back({{settings_.zone_id, hostname, address, "kuma.io/service " + service}, address});
    }
    return out;
  }
  if (resource.status.empty()) return out;
  const std::string vip = vip_of(resource);
  if (vip.empty()) return out;
  for (const ServiceHostname& name : hostnames_of(resource)) {
    const auto zone = zones_.find(name.hostname_generator_ref.core_name);
    if (zone == zones_.end() || zone->second.empty()) continue;
    out.push_back(
        {{zone->second, name.hostname, vip, resource.key.to_string()}, name.hostname_generator_ref.core_name});
  }
  return out;
}

void Route53Names::renew(Source& source, News& news) {
  unsaid_.insert(source.resource.key);
  std::vector<Source::Name> names = names_of(source.resource);
  const auto same = [](const Source::Name& a, const Source::Name& b) {
    return a.record == b.record && a.place == b.place;
  };
  if (std::equal(names.begin(), names.end(), source.names.begin(), source.names.end(), same)) return;
  is_changed_ = true;
  std::set<NameKey> before;
  for (const Source::Name& name : source.names) {
    const NameKey key = key_of(name.record);
    before.insert(key);
    const auto [first, last] = users_.equal_range(key);
    for (auto at = first; at != last; ++at) {
      if (!(at->second == source.resource.key)) continue;
      users_.erase(at);
      break;
    }
  }
  for (const Source::Name& name : names) {
    const NameKey key = key_of(name.record);
    users_.emplace(key, source.resource.key);
    if (before.contains(key)) continue;
    news.names.push_back(key);
    if (source.resource.key.mesh.empty())
      news.meshes.insert(meshes_.begin(), meshes_.end());
    else
      news.meshes.insert(source.resource.key.mesh);
  }
  source.names = std::move(names);
  for (const NameKey& key : before) {
    if (users_.contains(key)) continue;
    held_.erase(key);
    states_.erase(key);
  }
}

void Route53Names::release(const std::vector<NameKey>& names) {
  for (const NameKey& name : names) is_changed_ = held_.erase(name) > 0 || is_changed_;
}

std::optional<std::vector<WantedRecord>> Route53Names::take_wanted() {
  if (is_first_ || !std::exchange(is_changed_, false)) return std::nullopt;
  std::vector<WantedRecord> out;
  for (const auto& [_, source] : sources_)
    for (const Source::Name& name : source.names)
      if (!held_.contains(key_of(name.record))) out.push_back(name.record);
  return out;
}

void Route53Names::on_states(const Route53Publisher::States& states) {
  for (const auto& [key, state] : states) {
    states_[key] = state;
    const auto [first, last] = users_.equal_range(key);
    for (auto at = first; at != last; ++at) unsaid_.insert(at->second);
  }
}

void Route53Names::forget_states() { states_.clear(); }

std::optional<Condition> Route53Names::condition_for(const Source::Name& name, const std::optional<Condition>& before,
                                                     SystemTime now) const {
  const auto found = states_.find(key_of(name.record));
  if (found == states_.end() || found->second.kind == NameState::Kind::Waiting) return before;  // nothing to tell yet
  const NameState& state = found->second;
  const bool is_good = state.kind == NameState::Kind::Accepted || state.kind == NameState::Kind::InSync;
  Condition out{.type = kPublishedCondition,
                .status = is_good ? "True" : "False",
                .reason = {},
                .message = state.reason,
                .last_transition_time = {}};
  switch (state.kind) {
    case NameState::Kind::InSync:
      out.reason = "InSync";
      out.message = name.record.hostname + " leads to " + name.record.address + " in all servers of " +
                    zone_text(key_of(name.record).first);
      break;
    case NameState::Kind::Conflict: out.reason = "Conflict"; break;
    case NameState::Kind::Refused: out.reason = "Refused"; break;
    case NameState::Kind::Blocked: out.reason = "Unavailable"; break;
    default:
      out.reason = "Accepted";
      out.message =
          name.record.hostname + " leads to " + name.record.address + " in " + zone_text(key_of(name.record).first);
  }
  // Found as it should be when this control plane began: it is no news.
  if (state.kind == NameState::Kind::Accepted && state.since == SystemTime{} && before && before->status == "True")
    return before;
  out.last_transition_time = state.since == SystemTime{} ? now : state.since;
  if (before && before->status == out.status && before->reason == out.reason && before->message == out.message)
    return before;
  return out;
}

std::optional<Resource> Route53Names::with_conditions(const Source& source, SystemTime now) const {
  Resource out = source.resource;
  if (out.key.kind == &kAddressBlockKind) {
    const auto* block = out.spec.as<AddressBlock>();
    if (block == nullptr) return std::nullopt;
    // Of several names of a service the one that is in trouble is told of.
    std::map<std::string, std::optional<Condition>> conditions;
    for (const Source::Name& name : source.names) {
      std::optional<Condition>& condition = conditions[name.place];
      if (condition && condition->status == "False") continue;
      condition = condition_for(name, block->addresses.at(name.place).published, now);
    }
    AddressBlock changed = *block;
    for (auto& [address, entry] : changed.addresses) {
      const auto condition = conditions.find(address);
      entry.published = condition == conditions.end() ? std::nullopt : condition->second;
    }
    if (changed.addresses == block->addresses) return std::nullopt;
    out.spec = AnySpec::of(std::move(changed));
    return out;
  }
  const auto write = [&]<class Status>(const Status* status) -> std::optional<Resource> {
    if (status == nullptr) return std::nullopt;
    Status changed = *status;
    bool differs = false;
    for (GeneratorStatus& generator : changed.hostname_generators) {
      const std::string& place = generator.hostname_generator_ref.core_name;
      const auto name = std::find_if(source.names.begin(), source.names.end(),
                                     [&](const Source::Name& one) { return one.place == place; });
      std::optional<Condition> wanted;
      if (name != source.names.end()) wanted = condition_for(*name, published_in(generator.conditions), now);
      differs = set_published(generator.conditions, wanted) || differs;
    }
    if (!differs) return std::nullopt;
    out.status = AnySpec::of(std::move(changed));
    return std::move(out);
  };
  if (out.key.kind == &kMeshServiceKind) return write(out.status.as<MeshServiceStatus>());
  if (out.key.kind == &kMeshMultiZoneServiceKind) return write(out.status.as<MeshMultiZoneServiceStatus>());
  return write(out.status.as<MeshExternalServiceStatus>());
}

std::vector<Write> Route53Names::take_writes(SystemTime now) {
  std::vector<Write> out;
  for (const ResourceKey& key : std::exchange(unsaid_, {})) {
    const auto source = sources_.find(key);
    if (source == sources_.end()) continue;
    if (source->second.waits) continue;  // the store will tell of it, and it is looked at again
    std::optional<Resource> resource = with_conditions(source->second, now);
    if (!resource) continue;
    source->second.waits = true;
    Write write;
    write.expect = Expect::at(source->second.resource.revision);
    write.resource = std::move(*resource);
    out.push_back(std::move(write));
  }
  return out;
}

void Route53Names::on_write_failed(const ResourceKey& key) {
  const auto source = sources_.find(key);
  if (source == sources_.end()) return;
  source->second.waits = false;
  unsaid_.insert(key);
}

}  // namespace mesh
