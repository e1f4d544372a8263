// What has to be done for one proxy, and for whom a step of the picture makes work.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/ids.h"
#include "snapshot/fold.h"

namespace mesh {

struct Work {
  bool full = false;       // its whole configuration
  bool endpoints = false;  // only the endpoints of the services it calls
  bool secrets = false;    // only its certificates

  static Work everything() { return {true, false, true}; }
  bool empty() const { return !full && !endpoints && !secrets; }
  void merge(const Work& other) {
    full |= other.full;
    endpoints |= other.endpoints;
    secrets |= other.secrets;
  }
  friend bool operator==(const Work&, const Work&) = default;
};

// Does this policy select this Dataplane?
using Selects = std::function<bool(const Resource& policy, const Resource& dataplane)>;

// Pure. Work for the proxies among `connected` (names of Dataplanes) of one mesh; `mesh` is the new picture of it.
std::map<std::string, Work> work_for(const MeshAffected& affected, const MeshSnapshot& mesh,
                                     const std::set<std::string>& connected, const Selects& selects);

}  // namespace mesh
