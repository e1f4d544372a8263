#include "store/secrets.h"

#include "model/secret.h"

namespace mesh {

Result<Secret> StoreSecrets::find_secret(const std::string& mesh, const std::string& name) const {
  MESH_TRY(const Resource resource, store_.get({mesh.empty() ? &kGlobalSecretKind : &kSecretKind, mesh, name}));
  return secret_value(resource);
}

Result<std::vector<std::string>> StoreSecrets::list_secrets(const std::string& mesh, const std::string& prefix) const {
  Query query;
  query.kind = mesh.empty() ? &kGlobalSecretKind : &kSecretKind;
  query.mesh = mesh;
  query.name_contains = prefix;
  MESH_TRY(const Page page, store_.list(query));
  std::vector<std::string> names;
  for (const Resource& resource : page.items)
    if (resource.key.name.starts_with(prefix)) names.push_back(resource.key.name);
  return names;
}

}  // namespace mesh
