#include "model/kind.h"

#include <algorithm>

#include "model/address_block.h"
#include "model/builtin.h"
#include "model/dataplane.h"
#include "model/hostname_generator.h"
#include "model/insight.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "model/service.h"
#include "model/zone.h"
#include "model/zone_proxy.h"

namespace mesh {

void KindRegistry::add(const Kind& kind) {
  std::vector<const Kind*>& kinds = kind.is_internal ? internal_ : kinds_;
  const auto place = std::ranges::lower_bound(kinds, std::string_view(kind.name), {},
                                              [](const Kind* k) -> std::string_view { return k->name; });
  if (place == kinds.end() || (*place)->name != kind.name) kinds.insert(place, &kind);
}

const Kind* KindRegistry::find_by_name(std::string_view name) const {
  for (const auto* kinds : {&kinds_, &internal_})
    for (const Kind* kind : *kinds)
      if (kind->name == name) return kind;
  return nullptr;
}

const Kind* KindRegistry::find_by_path(std::string_view path) const {
  for (const Kind* kind : kinds_)
    if (kind->path == path || std::ranges::find(kind->path_aliases, path) != kind->path_aliases.end()) return kind;
  return nullptr;
}

void add_builtin_kinds(KindRegistry& registry) {
  for (const Kind* kind : {&kMeshKind, &kDataplaneKind, &kDataplaneInsightKind, &kSecretKind, &kGlobalSecretKind,
                           &kZoneKind, &kZoneInsightKind, &kZoneIngressKind, &kZoneIngressInsightKind, &kZoneEgressKind,
                           &kZoneEgressInsightKind, &kMeshServiceKind, &kMeshMultiZoneServiceKind,
                           &kMeshExternalServiceKind, &kHostnameGeneratorKind, &kAddressBlockKind})
    registry.add(*kind);
}

}  // namespace mesh
