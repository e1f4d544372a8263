// Who may come in: finds out which Dataplane (or ZoneIngress, ZoneEgress) a proxy claims to be, has it authenticated,
// and registers what it brought. The same for every way in: bootstrap, discovery, health and report streams.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "admission/admission.h"
#include "ads/ads.h"
#include "base/result.h"
#include "dpserver/authenticator.h"
#include "model/resource.h"
#include "store/store.h"
#include "wire/http.h"

namespace mesh {

// Thread-safe. Its methods may block.
class Gatekeeper {
 public:
  Gatekeeper(Authenticators authenticators, const Store& store, Admission& admission, const KindRegistry& kinds)
      : authenticators_(authenticators), store_(store), admission_(admission), kinds_(kinds) {}

  // The resource that the proxy brought with it (node metadata `dataplane.resource`), or else the stored one; it is
  // authenticated. Invalid, NotFound, Unauthenticated, Denied, Unavailable. `source` is the address that it comes from.
  Result<Resource> identify(const ProxyNode& node, const wire::Headers& headers, const std::string& source = {}) const;
  // The stored one, authenticated.
  Result<Resource> identify(const ProxyId& proxy, const wire::Headers& headers, const std::string& source = {}) const;

  // Identifies it and stores the resource that it brought. Who replaces a stored one must be allowed to be that, too.
  Status let_in(const ProxyNode& node, const wire::Headers& headers, const std::string& source = {}) const;

  // Reads a Dataplane (ZoneIngress, ZoneEgress) out of its document (JSON or YAML); it must be that of `proxy`. Invalid
  // with all violations.
  Result<Resource> read_resource(std::string_view document, const ProxyId& proxy) const;
  Result<Resource> find_resource(const ProxyId& proxy) const;

  // Would it wait for somebody far away?
  bool would_wait(ProxyRole type, const wire::Headers& headers) const;

  const Authenticator& authenticator(ProxyRole type) const { return authenticators_.of(type); }

 private:
  Result<std::optional<Resource>> find_brought(const ProxyNode& node) const;

  const Authenticators authenticators_;
  const Store& store_;
  Admission& admission_;
  const KindRegistry& kinds_;
};

}  // namespace mesh
