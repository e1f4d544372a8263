// A proxy's configuration for people to read.
#pragma once

#include <string>

#include "base/result.h"
#include "config/proxy_config.h"

namespace mesh {

// {"type.googleapis.com/envoy.config.cluster.v3.Cluster": {"<name>": {…}, …}, "…ClusterLoadAssignment": …, …}
// Types that have no resources are left out. Private keys in `secrets` (as SDS sends them; may be null) are replaced.
Result<std::string> config_json(const ProxyConfig& config, const NamedResources& secrets = nullptr);

}  // namespace mesh
