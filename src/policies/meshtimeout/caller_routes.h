// Timeouts that depend on who calls: routes of their own before the one for all.
#pragma once

#include <vector>

#include "envoy/resource_set.h"
#include "policies/meshtimeout/mesh_timeout.h"
#include "policy/matching.h"

namespace mesh {

// Adds to an HTTP chain that only proxies of the mesh come through: a network filter that keeps the caller's identity
// for the routes, and for each distinct match a copy of every route with that match and its timeouts, the most specific
// first. Does nothing without rules that match callers and set a request or stream idle timeout.
void add_caller_routes(const std::vector<InboundRule<TimeoutConf>>& rules, envoy::ResourceSet& draft,
                       envoy::Chain& chain);

}  // namespace mesh
