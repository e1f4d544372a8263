// What the tags of an IAM role allow. Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/result.h"

namespace mesh {

// What a proxy says that it is.
struct ProxyClaims {
  std::string type = "dataplane";  // "dataplane", "ingress", "egress"
  std::string mesh;                // empty for zone proxies
  std::string name;
  std::set<std::string> services;  // kuma.io/service of all its inbounds, and of its gateway
  std::string workload;            // the label kuma.io/workload; empty: none
};

using RoleTags = std::map<std::string, std::string>;

// kuma.io/type      always: the type of the proxy
// kuma.io/mesh      for a dataplane always: its mesh
// kuma.io/service   when it is there: one service, or several with one space between them; the proxy must have at least
//                   one, and none that is not among them. (IAM allows no comma; names of services have no space.)
// kuma.io/workload  when it is there: the proxy's label must be the same
// Everything is compared as it is written: no case is folded, nothing is trimmed, and a tag whose name only looks alike
// is another tag. Denied: says all that does not fit, the tags that the role has and what was claimed. `role` is for
// that.
Status check_role_tags(const RoleTags& tags, const ProxyClaims& claims, const std::string& role);

}  // namespace mesh
