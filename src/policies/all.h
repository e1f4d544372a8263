// The policies of this program: the one list. A new kind of policy adds its folder and a line in all.cc.
#pragma once

#include <string>
#include <vector>

#include "model/kind.h"
#include "model/resource.h"
#include "policy/policy.h"

namespace mesh {

void add_policy_kinds(KindRegistry& registry);

// In the order in which they are applied.
std::vector<const Policy*> all_policies();

// Those of `policies`, all of one mesh, that select this Dataplane: kind by kind in the order in which they are
// applied, and within a kind the one that counts more later.
std::vector<const Resource*> policies_for(const std::vector<Resource>& policies, const Resource& dataplane);

// What a new mesh gets, but for the kinds that `skip` names ("MeshTimeout", or "*" for all).
std::vector<Resource> default_policies(const std::string& mesh, const std::vector<std::string>& skip = {});

}  // namespace mesh
