// What the proxies were given, for people to look at. The pipeline knows it; REST shows it at
// /meshes/{mesh}/dataplanes/{name}/_config.
#pragma once

#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace mesh {

// Thread-safe; called from the API's workers.
class ProxyConfigSource {
 public:
  virtual ~ProxyConfigSource() = default;
  // The newest configuration that was built for this proxy, whether or not it is connected now, as one JSON object:
  //   {"type.googleapis.com/envoy.config.cluster.v3.Cluster": {"<name>": {…}, …}, "…Listener": {…}, …}
  // Private keys are not in it. NotFound: there is no such proxy.
  virtual Result<std::string> config_json(const ProxyId& proxy) const = 0;
};

}  // namespace mesh
