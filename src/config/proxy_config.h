// What one Envoy should have. Pure: the same snapshot and proxy give the same bytes, on any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "policy/policy.h"
#include "snapshot/fold.h"
#include "snapshot/snapshot.h"

namespace mesh {

// A secret that the listeners and clusters refer to; the certificate stage makes its content.
struct SecretRef {
  enum class What { Identity, MeshCa } what = What::Identity;
  std::string name;  // as SDS names it: "identity_cert:secret:<mesh>"
  friend auto operator<=>(const SecretRef&, const SecretRef&) = default;
};

// What a proxy has whomever it calls: for its own application, and for its administration. It is the same as long as
// the resources are from which it was made, and what the proxy says of itself.
struct OwnPart {
  SharedResource mesh, dataplane;
  std::vector<SharedResource> policies;  // Say::own of every kind
  NamedResourceList clusters, listeners;
  std::vector<std::string> warnings;
};

struct ProxyConfig {
  NamedResources clusters;
  NamedResources endpoints;
  NamedResources listeners;
  NamedResources routes;
  std::vector<SecretRef> secrets;
  std::shared_ptr<const OwnPart> own;  // lies in clusters and listeners; null: of a zone proxy

  bool has_endpoints() const { return endpoints != nullptr && !endpoints->empty(); }
};

// What a step of the picture changed, for proxies that may have to do with it.
struct Touched {
  std::map<std::string, std::vector<OutboundBefore>> outbounds;  // see MeshAffected
  std::set<std::string> endpoints;                               // views
  bool names = false;

  void merge(const Touched& later);
};

// How proxies reach what is not enumerated in their Dataplanes.
struct OutboundSettings {
  std::uint32_t service_vip_port = 80;  // of the virtual addresses of kuma.io/service
  std::string dns_domain = "mesh";      // of their names
  // Whether a proxy whose inbounds have these tags may call what has those, as far as can be told before it does. None:
  // everything may be called. Who says in its Dataplane what it calls is not asked.
  std::function<bool(const MeshSnapshot&, const std::vector<Tags>& callers, const Tags& called)> may_call = {};
};

// What the proxy itself said of itself when it connected (Envoy's node metadata), as far as configuration depends on
// it.
struct ProxyTraits {
  std::vector<std::string> features;  // "feature-bind-outbounds" …
  std::uint32_t admin_port = 0;       // where Envoy's admin API listens; 0: see admin_socket
  std::string admin_socket;           // Unix socket of the admin API
  std::uint32_t readiness_port = 0;   // of the sidecar manager; 0: none
  std::string readiness_socket;
  std::string work_dir;        // of the sidecar manager
  std::string system_ca_path;  // where the certificate authorities are that its machine trusts
  bool ipv6 = true;            // false: its machine has no IPv6, and Envoy refuses such addresses
  bool has_feature(std::string_view name) const;
  friend bool operator==(const ProxyTraits&, const ProxyTraits&) = default;
};

// A zone proxy's: that it runs can be seen. What it carries between zones comes with those.
std::shared_ptr<const ProxyConfig> build_zone_proxy(const Resource& resource, const ProxyTraits& traits);

// Thread-safe: any number of builds may run at once. Endpoints that several proxies get are made once and shared.
class ConfigBuilder {
 public:
  // `zone` is the name of this control plane's zone.
  ConfigBuilder(std::string zone, std::vector<const Policy*> policies, OutboundSettings outbounds = {});
  ~ConfigBuilder();

  // The proxy must be in the snapshot. Does not fail: what cannot be built is left out and named in `warnings`.
  // `before` is what was built for this proxy with these traits, if anything: what it has of its own may be the same
  // still.
  std::shared_ptr<const ProxyConfig> build(const MeshSnapshot& snapshot, const std::string& dataplane,
                                           const ProxyTraits& traits, std::vector<std::string>* warnings = nullptr,
                                           const ProxyConfig* before = nullptr) const;

  // `before` with what was touched as it is in the snapshot, everything else shared with it: in proportion to what was
  // touched. Right as long as the Mesh, the Dataplane and the policies are those of `before`.
  std::shared_ptr<const ProxyConfig> rebuild(const ProxyConfig& before, const MeshSnapshot& snapshot,
                                             const std::string& dataplane, const ProxyTraits& traits,
                                             const Touched& touched,
                                             std::vector<std::string>* warnings = nullptr) const;

 private:
  static void add_secrets(const MeshSnapshot& snapshot, const Dataplane& spec, ProxyConfig& config);

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh
