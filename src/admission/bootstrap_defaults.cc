#include "admission/bootstrap_defaults.h"

#include "admission/labels.h"
#include "admission/mesh_companions.h"
#include "model/hostname_generator.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "model/zone.h"
#include "store/secrets.h"

namespace mesh {
namespace {

constexpr Duration kAdminTokenLifetime = std::chrono::hours(24) * 365 * 10;

// Writes `resource` unless it is there. Another control plane that was faster is no error.
Status write_first(Store& store, Resource resource, const Clock& clock) {
  const auto written = store.write({first_write(std::move(resource), clock)});
  if (written || written.error().kind == ErrorKind::Conflict) return {};
  return written.error();
}

Status ensure_signing_key(Store& store, const std::string& prefix, const Clock& clock) {
  MESH_TRY(const std::vector<std::string> keys, StoreSecrets(store).list_secrets({}, prefix));
  if (!keys.empty()) return {};
  MESH_TRY(const Secret key, make_signing_key());
  return write_first(store, secret_resource({}, prefix + "1", key), clock);
}

Status ensure_admin_token(Store& store, const Clock& clock) {
  const StoreSecrets secrets(store);
  const auto stored = secrets.find_secret({}, kAdminTokenSecret);
  if (stored || stored.error().kind != ErrorKind::NotFound) return stored ? Status() : Status(stored.error());
  MESH_TRY(const Secret token, TokenIssuer(secrets, clock).issue(admin_user(), kAdminTokenLifetime));
  return write_first(store, secret_resource({}, kAdminTokenSecret, token), clock);
}

// A zone's control plane knows one zone, its own: one that is left from a former name goes.
Status ensure_zone(Store& store, Admission& admission, const std::string& zone, const Clock& clock) {
  MESH_TRY(const Page zones,
           store.list({.kind = &kZoneKind, .mesh = {}, .name_contains = {}, .labels = {}, .offset = 0, .size = 0}));
  bool exists = false;
  for (const Resource& each : zones.items) {
    exists = exists || each.key.name == zone;
    if (each.key.name == zone) continue;
    const Status removed = admission.remove(each.key, {admin_user(), Via::ControlPlane});
    if (!removed && removed.error().kind != ErrorKind::NotFound) return removed;
  }
  if (exists) return {};
  Resource resource;
  resource.key = {&kZoneKind, {}, zone};
  resource.spec = AnySpec::of(Zone{});
  return write_first(store, std::move(resource), clock);
}

Status ensure_default_mesh(Store& store, Admission& admission) {
  const ResourceKey key{&kMeshKind, {}, "default"};
  const auto stored = store.get(key);
  if (stored || stored.error().kind != ErrorKind::NotFound) return stored ? Status() : Status(stored.error());
  Resource resource;
  resource.key = key;
  resource.spec = AnySpec::of(Mesh{});
  MESH_RETURN_IF_ERROR(admission.put(std::move(resource), {admin_user(), Via::ControlPlane}));
  return {};
}

Status ensure_generator(Store& store, const std::string& name, HostnameGenerator spec, const Clock& clock) {
  Resource resource;
  resource.key = {&kHostnameGeneratorKind, {}, name};
  resource.labels = {{kOriginLabel, "zone"}};
  resource.spec = AnySpec::of(std::move(spec));
  return write_first(store, std::move(resource), clock);
}

// Names for what is made in this zone.
Status ensure_hostname_generators(Store& store, const Clock& clock) {
  const LabelSelector made_here{{{kOriginLabel, "zone"}}};
  HostnameGenerator external;
  external.selector.mesh_external_service = made_here;
  external.template_ = "{{ .DisplayName }}.extsvc.mesh.local";
  MESH_RETURN_IF_ERROR(ensure_generator(store, "local-mesh-external-service", std::move(external), clock));
  HostnameGenerator local;
  local.selector.mesh_service = made_here;
  local.template_ = "{{ .DisplayName }}.svc.mesh.local";
  return ensure_generator(store, "local-universal-mesh-service", std::move(local), clock);
}

}  // namespace

Status ensure_defaults(Store& store, Admission& admission, const BootstrapSettings& settings, const Clock& clock) {
  MESH_RETURN_IF_ERROR(ensure_signing_key(store, "user-token-signing-key-", clock));
  MESH_RETURN_IF_ERROR(ensure_signing_key(store, "zone-token-signing-key-", clock));
  if (settings.create_admin_token) MESH_RETURN_IF_ERROR(ensure_admin_token(store, clock));
  if (!settings.zone.empty()) MESH_RETURN_IF_ERROR(ensure_zone(store, admission, settings.zone, clock));
  if (settings.create_default_mesh) MESH_RETURN_IF_ERROR(ensure_default_mesh(store, admission));
  if (settings.create_hostname_generators) MESH_RETURN_IF_ERROR(ensure_hostname_generators(store, clock));
  return {};
}

}  // namespace mesh
