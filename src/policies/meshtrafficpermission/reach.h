// Who may call whom, told beforehand and from tags alone, so that a proxy need not listen for what it may not call
// (KUMA_EXPERIMENTAL_AUTO_REACHABLE_SERVICES). It guards nothing: the proxies that are called do.
#pragma once

#include <vector>

#include "model/dataplane.h"
#include "snapshot/snapshot.h"

namespace mesh {

// Whether a proxy whose inbounds have these tags may call proxies with those. What does not say so is a no, as in a
// mesh with mutual TLS.
//
// Tags of a policy's targetRef that are not among `called` are overlooked: single proxies may have them. What tags do
// not tell, which proxies a targetRef of kind Dataplane means and whom a denial by `rules` hits, is taken for a yes, as
// long as some `allow` names the caller.
bool may_call(const MeshSnapshot& snapshot, const std::vector<Tags>& callers, const Tags& called);

}  // namespace mesh
