#include "policies/all.h"

#include <algorithm>
#include <iterator>

#include "policies/meshtimeout/mesh_timeout.h"
#include "policies/meshtrafficpermission/mesh_traffic_permission.h"

namespace mesh {

std::vector<const Policy*> all_policies() { return {&mesh_timeout_policy(), &mesh_traffic_permission_policy()}; }

void add_policy_kinds(KindRegistry& registry) {
  for (const Policy* policy : all_policies()) registry.add(policy->kind());
}

std::vector<Resource> default_policies(const std::string& mesh, const std::vector<std::string>& skip) {
  std::vector<Resource> resources = default_mesh_timeouts(mesh);
  std::erase_if(resources, [&](const Resource& resource) {
    return std::any_of(skip.begin(), skip.end(),
                       [&](const std::string& kind) { return kind == "*" || kind == resource.key.kind->name; });
  });
  return resources;
}

}  // namespace mesh
