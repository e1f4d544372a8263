// How a proxy proves that it may be the Dataplane (or ZoneIngress, ZoneEgress) that it says it is.
#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "identity/tokens.h"
#include "model/resource.h"
#include "wire/http.h"

namespace mesh {

// Thread-safe. May block.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  virtual bool needs_credential() const = 0;
  // Is a credential good for minutes only, so that Envoy must be able to read it anew?
  virtual bool credentials_expire() const { return false; }
  // For who has none: what it is, and how to get one.
  virtual std::string what_is_missing() const { return {}; }
  // Unauthenticated: the credential does not hold. Denied: it does, but not for this Dataplane. Unavailable: it cannot
  // be told at the moment. Never names the credential. `source` is the address that it came from.
  virtual Status authenticate(const Resource& dataplane, const Secret& credential, const std::string& source) const = 0;

  // Would authenticate() have to ask somebody far away? What it can tell at once does not wait behind that.
  virtual bool would_wait(const Secret&) const { return false; }

  // How often proxies that are connected are asked about again. 0: never.
  virtual Duration recheck_interval() const { return Duration::zero(); }
  // Denied: the proxy may not be this Dataplane any more; its streams are to be ended.
  virtual Status recheck(const Resource&) const { return {}; }
  // What is known of other proxies may be forgotten.
  virtual void keep_only(const std::set<ProxyId>&) const {}
};

// Lets everybody in, as whoever they say they are: for trusted networks.
class NoAuthenticator final : public Authenticator {
 public:
  bool needs_credential() const override { return false; }
  Status authenticate(const Resource&, const Secret&, const std::string&) const override { return {}; }
};

// Dataplane tokens, and zone tokens for zone proxies.
class TokenAuthenticator final : public Authenticator {
 public:
  // `zone` is that of this control plane: a zone token may be for one only.
  TokenAuthenticator(const SecretSource& secrets, const Clock& clock, TokenTrusts trusts = {},
                     std::string zone = "default")
      : verifier_(secrets, clock, std::move(trusts)), zone_(std::move(zone)) {}
  bool needs_credential() const override { return true; }
  std::string what_is_missing() const override { return "a token is needed, and none was given"; }
  Status authenticate(const Resource& dataplane, const Secret& credential, const std::string& source) const override;

 private:
  Status check_dataplane(const Resource& dataplane, const Secret& credential) const;
  Status check_zone_proxy(const std::string& scope, const Secret& credential) const;

  TokenVerifier verifier_;
  const std::string zone_;
};

// Which one is for which proxies. They outlive it.
struct Authenticators {
  Authenticators(const Authenticator& all) : dataplanes(all), zone_proxies(all) {}  // NOLINT: one for everybody
  Authenticators(const Authenticator& for_dataplanes, const Authenticator& for_zone_proxies)
      : dataplanes(for_dataplanes), zone_proxies(for_zone_proxies) {}
  const Authenticator& of(ProxyRole type) const { return type == ProxyRole::Dataplane ? dataplanes : zone_proxies; }

  const Authenticator& dataplanes;
  const Authenticator& zone_proxies;
};

// The credential of a request: the field `authorization`, with or without "Bearer " before it. Empty when there is
// none; Unauthenticated when there are several.
Result<Secret> find_credential(const wire::Headers& headers);

}  // namespace mesh
