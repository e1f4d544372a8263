#include "model/service.h"

#include <algorithm>

#include "model/service_rules.h"

namespace mesh {
namespace {

bool has_tags(const Inbound& inbound, const std::map<std::string, std::string>& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& tag) {
    const auto found = inbound.tags.find(tag.first);
    return found != inbound.tags.end() && (found->second == tag.second || tag.second == "*");
  });
}

using Sections = std::vector<std::pair<std::int32_t, std::string>>;

template <class Spec>
Sections sections(const AnySpec& spec) {
  Sections out;
  if (const Spec* service = spec.as<Spec>())
    for (const auto& port : service->ports) out.emplace_back(port.port, port.section_name());
  std::ranges::sort(out);
  return out;
}

Sections external_sections(const AnySpec& spec) {
  const auto* service = spec.as<MeshExternalService>();
  if (service == nullptr) return {};
  return {{service->match.port, std::to_string(service->match.port)}};
}

}  // namespace

const Kind kMeshServiceKind = describe_kind<MeshService, MeshServiceStatus>({.name = "MeshService",
                                                                             .path = "meshservices",
                                                                             .short_name = "msvc",
                                                                             .singular = "Mesh Service",
                                                                             .plural = "Mesh Services",
                                                                             .include_in_federation = false,
                                                                             .validate = validate_mesh_service,
                                                                             .sections = sections<MeshService>});

const Kind kMeshMultiZoneServiceKind =
    describe_kind<MeshMultiZoneService, MeshMultiZoneServiceStatus>({.name = "MeshMultiZoneService",
                                                                     .path = "meshmultizoneservices",
                                                                     .short_name = "mzsvc",
                                                                     .singular = "Mesh Multi Zone Service",
                                                                     .plural = "Mesh Multi Zone Services",
                                                                     .made_in_zones = false,
                                                                     .validate = validate_multi_zone_service,
                                                                     .sections = sections<MeshMultiZoneService>});

const Kind kMeshExternalServiceKind =
    describe_kind<MeshExternalService, MeshExternalServiceStatus>({.name = "MeshExternalService",
                                                                   .path = "meshexternalservices",
                                                                   .short_name = "extsvc",
                                                                   .singular = "Mesh External Service",
                                                                   .plural = "Mesh External Services",
                                                                   .validate = validate_external_service,
                                                                   .sections = external_sections});

bool ServiceSelector::selects(const Resource& resource) const {
  const auto* dataplane = resource.spec.as<Dataplane>();
  if (dataplane == nullptr || dataplane->networking.inbound.empty()) return false;
  if (dataplane_ref) return dataplane_ref->name == resource.key.name;
  if (dataplane_tags) {
    if (dataplane_tags->empty()) return false;
    return std::ranges::any_of(dataplane->networking.inbound,
                               [&](const Inbound& inbound) { return has_tags(inbound, *dataplane_tags); });
  }
  return dataplane_labels && dataplane_labels->matches(resource.labels);
}

std::string ServicePort::section_name() const { return name && !name->empty() ? *name : std::to_string(port); }

std::int64_t ServicePort::target_number() const {
  if (target_port.is_int64()) return target_port.get_int64();
  return target_port.is_uint64() ? static_cast<std::int64_t>(target_port.get_uint64()) : port;
}

bool ServicePort::leads_to(const Inbound& inbound) const {
  if (target_port.is_string()) return std::string_view(target_port.get_string()) == inbound.name;
  return target_number() == static_cast<std::int64_t>(inbound.port);
}

std::string MultiZonePort::section_name() const { return name && !name->empty() ? *name : std::to_string(port); }

std::string vip_of(const Resource& service) {
  const auto first = [](const std::vector<Vip>& vips) { return vips.empty() ? std::string() : vips.front().ip; };
  if (const auto* status = service.status.as<MeshServiceStatus>()) return first(status->vips);
  if (const auto* status = service.status.as<MeshMultiZoneServiceStatus>()) return first(status->vips);
  if (const auto* status = service.status.as<MeshExternalServiceStatus>()) return status->vip.ip;
  return {};
}

const std::vector<ServiceHostname>& hostnames_of(const Resource& service) {
  static const std::vector<ServiceHostname> none;
  if (const auto* status = service.status.as<MeshServiceStatus>()) return status->addresses;
  if (const auto* status = service.status.as<MeshMultiZoneServiceStatus>()) return status->addresses;
  if (const auto* status = service.status.as<MeshExternalServiceStatus>()) return status->addresses;
  return none;
}

const std::vector<GeneratorStatus>& generators_of(const Resource& service) {
  static const std::vector<GeneratorStatus> none;
  if (const auto* status = service.status.as<MeshServiceStatus>()) return status->hostname_generators;
  if (const auto* status = service.status.as<MeshMultiZoneServiceStatus>()) return status->hostname_generators;
  if (const auto* status = service.status.as<MeshExternalServiceStatus>()) return status->hostname_generators;
  return none;
}

bool is_local(const Resource& service) {
  const auto origin = service.labels.find("kuma.io/origin");
  return origin == service.labels.end() || origin->second == "zone";
}

}  // namespace mesh
