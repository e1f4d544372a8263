#include "naming/service_draft.h"

#include <algorithm>

namespace mesh {
namespace {

template <class Status>
Status status_of(const Resource& service) {
  const Status* status = service.status.as<Status>();
  return status == nullptr ? Status() : *status;
}

const std::string* hostname_by(const std::vector<ServiceHostname>& addresses, const std::string& generator) {
  const auto found = std::ranges::find_if(
      addresses, [&](const ServiceHostname& each) { return each.hostname_generator_ref.core_name == generator; });
  return found == addresses.end() ? nullptr : &found->hostname;
}

std::vector<GeneratorStatus> with_kept_conditions(std::vector<GeneratorStatus> generators, const Resource& service,
                                                  const std::vector<ServiceHostname>& addresses) {
  for (GeneratorStatus& status : generators) {
    const std::string& name = status.hostname_generator_ref.core_name;
    const std::string* before = hostname_by(hostnames_of(service), name);
    const std::string* now = hostname_by(addresses, name);
    if (before == nullptr || now == nullptr || *before != *now) continue;
    for (const GeneratorStatus& stored : generators_of(service)) {
      if (stored.hostname_generator_ref.core_name != name) continue;
      std::ranges::copy_if(stored.conditions, std::back_inserter(status.conditions),
                           [](const Condition& condition) { return condition.type != kGeneratedCondition; });
    }
  }
  return generators;
}

template <class Status>
void set_common(Status& status, const HostnameBook::Outcome& names, std::vector<GeneratorStatus> generators,
                std::vector<Condition> conditions) {
  status.addresses = names.addresses;
  status.hostname_generators = std::move(generators);
  // Only those of ours that may be set here: others' stay.
  for (Condition& condition : conditions) {
    std::erase_if(status.conditions, [&](const Condition& each) { return each.type == condition.type; });
    if (!condition.status.empty()) status.conditions.push_back(std::move(condition));
  }
}

std::vector<Vip> vips_of(const std::string& address) {
  return address.empty() ? std::vector<Vip>() : std::vector{Vip{address}};
}

std::optional<std::int32_t> unless_zero(int count) { return count == 0 ? std::nullopt : std::optional(count); }

bool has_same_labels_and_spec(const Resource& a, const Resource& b) {
  const Kind& kind = *a.key.kind;
  return a.labels == b.labels && kind.print(a.spec) == kind.print(b.spec);
}

}  // namespace

bool is_generated(const Resource& service) {
  const auto label = service.labels.find(kManagedByLabel);
  return is_local(service) && label != service.labels.end() && label->second == kServiceGenerator;
}

Labels generated_labels(const ResourceKey& service, const std::string& zone) {
  return {{"kuma.io/mesh", service.mesh},
          {"kuma.io/display-name", service.name},
          {kManagedByLabel, kServiceGenerator},
          {"kuma.io/env", "universal"},
          {"kuma.io/zone", zone},
          {"kuma.io/origin", "zone"}};
}

void set_names(Resource& service, const HostnameBook::Outcome& names, const std::string& address,
               std::vector<Condition> conditions) {
  std::vector<GeneratorStatus> generators =
      address == vip_of(service) ? with_kept_conditions(names.generators, service, names.addresses) : names.generators;
  if (service.key.kind == &kMeshServiceKind) {
    auto status = status_of<MeshServiceStatus>(service);
    set_common(status, names, std::move(generators), std::move(conditions));
    status.vips = vips_of(address);
    service.status = AnySpec::of(std::move(status));
  } else if (service.key.kind == &kMeshMultiZoneServiceKind) {
    auto status = status_of<MeshMultiZoneServiceStatus>(service);
    set_common(status, names, std::move(generators), std::move(conditions));
    status.vips = vips_of(address);
    service.status = AnySpec::of(std::move(status));
  } else {
    auto status = status_of<MeshExternalServiceStatus>(service);
    set_common(status, names, std::move(generators), std::move(conditions));
    status.vip = {address};
    service.status = AnySpec::of(std::move(status));
  }
}

void set_totals(Resource& service, const ServiceBook::Totals& totals, bool mesh_has_tls) {
  MeshService spec = service.spec_as<MeshService>();
  auto status = status_of<MeshServiceStatus>(service);
  spec.state = totals.healthy > 0 ? ServiceState::Available : ServiceState::Unavailable;
  spec.identities.clear();
  for (const auto& [tag, count] : totals.service_tags) spec.identities.push_back({IdentityType::ServiceTag, tag});
  // It goes one way: a new proxy that has no certificate yet will begin with mutual TLS.
  const bool was_ready = status.tls.status == TlsStatus::Ready;
  const bool is_ready = mesh_has_tls && (was_ready || totals.certified == totals.total);
  status.tls.status = is_ready ? TlsStatus::Ready : TlsStatus::NotReady;
  status.dataplane_proxies = {unless_zero(totals.connected), unless_zero(totals.healthy), unless_zero(totals.total)};
  service.spec = AnySpec::of(std::move(spec));
  service.status = AnySpec::of(std::move(status));
}

void set_members(Resource& service, std::vector<MatchedMeshService> members) {
  auto status = status_of<MeshMultiZoneServiceStatus>(service);
  std::ranges::sort(members);
  const bool found = !members.empty();
  Condition matched{"MeshServicesMatched",
                    found ? "True" : "False",
                    found ? "MatchesFound" : "NoMatchesFound",
                    found ? "the selector matches MeshServices" : "the selector matches no MeshService",
                    {}};
  std::erase_if(status.conditions, [&](const Condition& each) { return each.type == matched.type; });
  status.conditions.insert(status.conditions.begin(), std::move(matched));
  status.mesh_services = std::move(members);
  service.status = AnySpec::of(std::move(status));
}

bool is_same(const Resource& a, const Resource& b) {
  if (!has_same_labels_and_spec(a, b)) return false;
  const auto equal = [&]<class Status>() {
    const Status* one = a.status.as<Status>();
    const Status* other = b.status.as<Status>();
    return one != nullptr && other != nullptr && *one == *other;
  };
  if (a.key.kind == &kMeshServiceKind) return equal.operator()<MeshServiceStatus>();
  if (a.key.kind == &kMeshMultiZoneServiceKind) return equal.operator()<MeshMultiZoneServiceStatus>();
  return equal.operator()<MeshExternalServiceStatus>();
}

bool differ_in_counts_only(const Resource& a, const Resource& b) {
  const auto* one = a.status.as<MeshServiceStatus>();
  const auto* other = b.status.as<MeshServiceStatus>();
  if (one == nullptr || other == nullptr || !has_same_labels_and_spec(a, b)) return false;
  MeshServiceStatus with_its_counts = *one;
  with_its_counts.dataplane_proxies = other->dataplane_proxies;
  return with_its_counts == *other;
}

}  // namespace mesh
