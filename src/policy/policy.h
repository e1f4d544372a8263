// A policy as the builder sees it. One folder under policies/ per type; `policies/all.cc` lists them.
#pragma once

#include <memory>
#include <vector>

#include "envoy/resource_set.h"
#include "model/kind.h"
#include "model/target_ref.h"
#include "snapshot/snapshot.h"

namespace mesh {

// The proxy that configuration is built for.
struct ProxyContext {
  const MeshSnapshot& snapshot;
  const Resource& dataplane;  // kind Dataplane
  const Dataplane& spec;
};

// The resources of one kind of policy that have a say in a proxy's configuration, in the order in which they count.
struct Say {
  std::vector<SharedResource> own;        // in what it has for its own application and its administration
  std::vector<SharedResource> outbounds;  // in what it has for those whom it calls
};

// Thread-safe: `apply` has no state and is called from several builder threads.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual const Kind& kind() const = 0;
  // By what a resource of this kind selects proxies; null when it is of another kind.
  virtual const TargetRef* target_of(const Resource& policy) const = 0;
  // Edits the draft of this proxy's configuration as the policies that select it say. Called in the order of `all.cc`.
  virtual void apply(const ProxyContext& proxy, envoy::ResourceSet& draft) const = 0;
  // What `apply` makes of a listener or cluster of role Outbound depends on `outbounds` and on that listener or
  // cluster, and on nothing else of the proxy: proxies with the same list share what is made. What it makes of any
  // other depends on `own`, the Dataplane and the Mesh: it is not made anew while these are the same.
  virtual Say say(const ProxyContext& proxy) const = 0;
};

}  // namespace mesh
