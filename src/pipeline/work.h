// What has to be done for one proxy, and for whom a step of the picture makes work.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/ids.h"
#include "config/proxy_config.h"
#include "snapshot/fold.h"

namespace mesh {

struct Work {
  bool full = false;                            // its whole configuration
  bool secrets = false;                         // only its certificates
  std::shared_ptr<const Touched> touched = {};  // only what has to do with these; shared by all whom one step concerns

  static Work everything() { return {true, true, nullptr}; }
  bool empty() const { return !full && !secrets && touched == nullptr; }
  void merge(const Work& other);
};

// Does this policy select this Dataplane?
using Selects = std::function<bool(const Resource& policy, const Resource& dataplane)>;

// The proxies of one mesh that are connected, by the names of their Dataplanes.
struct ConnectedProxies {
  std::set<std::string> all;
  std::set<std::string> binding;  // those that bind their outbounds: what comes new in the mesh concerns them
  std::set<std::string> naming;   // those of them that serve names
};

// Pure. Work for connected proxies of one mesh; `mesh` is the new picture of it.
std::map<std::string, Work> work_for(const MeshAffected& affected, const MeshSnapshot& mesh,
                                     const ConnectedProxies& connected, const Selects& selects);

}  // namespace mesh
