#include "admission/consistency.h"

#include <fmt/format.h>

#include <algorithm>

#include "admission/labels.h"
#include "admission/mesh_companions.h"
#include "identity/certificates.h"
#include "model/dataplane.h"
#include "model/insight.h"
#include "model/secret.h"
#include "model/service.h"
#include "model/zone.h"

namespace mesh {
namespace {

constexpr std::size_t kLongestMeshName = 63;  // it is a part of names that may not be longer

Status check_mesh_removal(const std::string& mesh, const Store& store, Violations& violations) {
  MESH_TRY(
      const Page dataplanes,
      store.list({.kind = &kDataplaneKind, .mesh = mesh, .name_contains = {}, .labels = {}, .offset = 0, .size = 1}));
  if (dataplanes.total > 0)
    violations.push_back(
        {"mesh",
         fmt::format("the mesh cannot be deleted while dataplanes are in it; there are still {}", dataplanes.total)});
  return {};
}

Status check_secret_removal(const ResourceKey& key, const Store& store, Violations& violations) {
  const auto mesh = store.get({&kMeshKind, {}, key.mesh});
  if (!mesh) return mesh.error().kind == ErrorKind::NotFound ? Status() : Status(mesh.error());
  const auto& mtls = mesh->spec_as<Mesh>().mtls;
  if (!mtls) return {};
  for (const CaBackend& backend : mtls->backends) {
    const std::vector<std::string> used = used_secrets(key.mesh, backend);
    if (std::ranges::find(used, key.name) != used.end())
      violations.push_back(
          {"name",
           fmt::format(
               "the secret \"{}\" is in use: backend \"{}\" of mesh \"{}\" issues certificates with it; remove the "
               "backend first",
               key.name, backend.name, key.mesh)});
  }
  return {};
}

Status check_zone_removal(const std::string& zone, const Store& store, Violations& violations) {
  const auto insight = store.get({&kZoneInsightKind, {}, zone});
  if (!insight) return insight.error().kind == ErrorKind::NotFound ? Status() : Status(insight.error());
  const auto& subscriptions = insight->spec_as<ZoneInsight>().subscriptions;
  if (!subscriptions.empty() && !subscriptions.back().disconnect_time)
    violations.push_back({"zone", "the zone cannot be deleted while its control plane is connected; stop that first"});
  return {};
}

}  // namespace

void check_mesh_change(const Mesh& mesh, const std::string& name, const Resource* stored, const Store& store,
                       Violations& violations) {
  if (stored == nullptr && name.size() > kLongestMeshName)
    violations.push_back({"name", fmt::format("the name of a mesh may have at most {} characters", kLongestMeshName)});
  check_backends(mesh, name, store, violations);
  const CaBackend* before = stored == nullptr ? nullptr : stored->spec_as<Mesh>().enabled_ca();
  const CaBackend* after = mesh.enabled_ca();
  if (before != nullptr && after != nullptr && before->name != after->name)
    violations.push_back(
        {"mtls.enabledBackend",
         fmt::format("cannot change from \"{}\" to \"{}\" while mutual TLS is on: disable it first, then "
                     "enable the other",
                     before->name, after->name)});
}

void check_service_name(const Resource& service, Violations& violations) {
  constexpr std::size_t longest = 63;
  if (service.key.kind != &kMeshServiceKind && service.key.kind != &kMeshExternalServiceKind) return;
  const auto shown = service.labels.find(kDisplayNameLabel);
  const std::string& name = shown == service.labels.end() ? service.key.name : shown->second;
  if (name.size() > longest)
    violations.push_back({"name", fmt::format("has {} characters; may have at most {}", name.size(), longest)});
}

Status check_removal(const Resource& resource, const Store& store, bool unsafe_delete, Violations& violations) {
  const ResourceKey& key = resource.key;
  if (key.kind == &kMeshKind) return unsafe_delete ? Status() : check_mesh_removal(key.name, store, violations);
  if (key.kind == &kSecretKind) return check_secret_removal(key, store, violations);
  if (key.kind == &kZoneKind) return check_zone_removal(key.name, store, violations);
  return {};
}

}  // namespace mesh
