#include "admission/mesh_companions.h"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "admission/labels.h"
#include "identity/certificates.h"
#include "identity/tokens.h"
#include "model/secret.h"
#include "store/secrets.h"

namespace mesh {
namespace {

// conf.cert and conf.key each say where to find what they stand for. False when one does not.
bool check_data_source(const boost::json::value& conf, const std::string& name, const std::string& path,
                       Violations& violations) {
  const boost::json::value* source = conf.is_object() ? conf.get_object().if_contains(name) : nullptr;
  if (source == nullptr || !source->is_object() || source->get_object().empty()) {
    violations.push_back({path, "must be set: a secret, a file, inline or inlineString"});
    return false;
  }
  bool complete = true;
  for (const auto& [kind, value] : source->get_object()) {
    if (!value.is_string() || !value.get_string().empty()) continue;
    violations.push_back({fmt::format("{}.{}", path, std::string_view(kind)), "must not be empty"});
    complete = false;
  }
  return complete;
}

void check_provided(const CaBackend& backend, const std::string& mesh, const std::string& path, const Store& store,
                    Violations& violations) {
  bool complete = true;
  for (const std::string name : {"cert", "key"})
    complete = check_data_source(backend.conf, name, path + "." + name, violations) && complete;
  if (!complete) return;
  const auto authority = load_authority(mesh, backend, StoreSecrets(store));
  if (authority) return;
  for (const Violation& violation : authority.error().violations)
    violations.push_back({fmt::format("{}.{}", path, violation.field), violation.reason});
  if (!authority.error().violations.empty()) return;
  violations.push_back({path + ".cert", authority.error().message()});
  violations.push_back({path + ".key", authority.error().message()});
}

bool is_stored(const Store& store, const std::string& mesh, const std::string& secret) {
  return store.get({&kSecretKind, mesh, secret}).has_value();
}

Status add_signing_key(const std::string& mesh, const Clock& clock, std::vector<Write>& writes) {
  MESH_TRY(Secret key, make_signing_key());
  writes.push_back(
      first_write(secret_resource(mesh, fmt::format("dataplane-token-signing-key-{}-1", mesh), key), clock));
  return {};
}

Status add_builtin_root(const CaBackend& backend, const std::string& mesh, const Store& store, const Clock& clock,
                        std::vector<Write>& writes) {
  const std::string certificate = builtin_certificate_secret(mesh, backend.name);
  const std::string key = builtin_key_secret(mesh, backend.name);
  if (is_stored(store, mesh, certificate) && is_stored(store, mesh, key)) return {};
  MESH_TRY(KeyPair root, make_builtin_root(mesh, backend, clock));
  writes.push_back(first_write(secret_resource(mesh, certificate, Secret(root.certificate_pem)), clock));
  writes.push_back(first_write(secret_resource(mesh, key, root.key_pem), clock));
  // One without the other is of no use: both are replaced.
  for (std::size_t i = writes.size() - 2; i < writes.size(); ++i) writes[i].expect = Expect::anything();
  return {};
}

}  // namespace

Write first_write(Resource resource, const Clock& clock) {
  resource.created = resource.modified = clock.now();
  return {.op = Write::Op::Put, .resource = std::move(resource), .expect = Expect::absent(), .owner = {}};
}

void check_backends(const Mesh& mesh, const std::string& name, const Store& store, Violations& violations) {
  if (!mesh.mtls || mesh.mtls->skip_validation) return;
  for (std::size_t i = 0; i < mesh.mtls->backends.size(); ++i)
    if (const CaBackend& backend = mesh.mtls->backends[i]; backend.type == "provided")
      check_provided(backend, name, at_index("mtls.backends", i) + ".conf", store, violations);
}

Result<std::vector<Write>> companion_writes(const Mesh& mesh, const std::string& name, bool is_new, const Store& store,
                                            const AdmissionSettings& settings, const Clock& clock) {
  std::vector<Write> writes;
  if (is_new) MESH_RETURN_IF_ERROR(add_signing_key(name, clock, writes));
  if (mesh.mtls)
    for (const CaBackend& backend : mesh.mtls->backends)
      if (backend.type == "builtin") MESH_RETURN_IF_ERROR(add_builtin_root(backend, name, store, clock, writes));
  if (is_new && settings.default_policies) {
    for (Resource& policy : settings.default_policies(name, mesh.skip_creating_initial_policies)) {
      policy.key.mesh = name;
      add_computed_labels(policy, settings.zone);
      writes.push_back(first_write(std::move(policy), clock));
    }
  }
  return writes;
}

}  // namespace mesh
