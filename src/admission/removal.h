// Removing what proxies brought, many at once: a deployment that replaces a hundred tasks is one transaction, and
// whoever else writes waits once.
#pragma once

#include <vector>

#include "base/result.h"
#include "model/resource.h"
#include "store/store.h"

namespace mesh {

// All of them or none. Only of kinds that stand for proxies, on which nothing depends that would have to be checked.
// NotFound: one of them is not there.
Status remove_proxies(Store& store, const std::vector<ResourceKey>& keys);

}  // namespace mesh
