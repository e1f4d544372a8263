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

// Thread-safe: `apply` has no state and is called from several builder threads.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual const Kind& kind() const = 0;
  // By what a resource of this kind selects proxies; null when it is of another kind.
  virtual const TargetRef* target_of(const Resource& policy) const = 0;
  // Edits the draft of this proxy's configuration as the policies that select it say. Called in the order of `all.cc`.
  virtual void apply(const ProxyContext& proxy, envoy::ResourceSet& draft) const = 0;
  // The resources of this kind that have a say in the proxy's outbounds, in the order in which they count. What `apply`
  // makes of a listener or cluster of role Outbound depends on these and on that listener or cluster, and on nothing
  // else of the proxy: proxies with the same list share what is made.
  virtual std::vector<SharedResource> for_outbounds(const ProxyContext& proxy) const = 0;
};

}  // namespace mesh
