#include "policies/all.h"

#include <algorithm>
#include <iterator>

#include "policies/meshtimeout/mesh_timeout.h"
#include "policies/meshtrafficpermission/mesh_traffic_permission.h"
#include "policy/matching.h"

namespace mesh {

std::vector<const Policy*> all_policies() { return {&mesh_timeout_policy(), &mesh_traffic_permission_policy()}; }

void add_policy_kinds(KindRegistry& registry) {
  for (const Policy* policy : all_policies()) registry.add(policy->kind());
}

std::vector<const Resource*> policies_for(const std::vector<Resource>& policies, const Resource& dataplane) {
  std::vector<const Resource*> found;
  for (const Policy* policy : all_policies()) {
    const auto first = static_cast<std::ptrdiff_t>(found.size());
    for (const Resource& resource : policies) {
      if (resource.key.kind == &policy->kind() && concerns(*policy, resource, dataplane)) found.push_back(&resource);
    }
    std::stable_sort(found.begin() + first, found.end(), [&](const Resource* a, const Resource* b) {
      return precedence_of(*policy->target_of(*a), *a) < precedence_of(*policy->target_of(*b), *b);
    });
  }
  return found;
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
