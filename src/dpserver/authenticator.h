// How a proxy proves that it may be the Dataplane that it says it is.
#pragma once

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
  // Unauthenticated: the credential does not hold. Denied: it does, but not for this Dataplane. Never names the credential.
  virtual Status authenticate(const Resource& dataplane, const Secret& credential) const = 0;
};

// Lets everybody in, as whoever they say they are: for trusted networks.
class NoAuthenticator final : public Authenticator {
 public:
  bool needs_credential() const override { return false; }
  Status authenticate(const Resource&, const Secret&) const override { return {}; }
};

// Dataplane tokens.
class TokenAuthenticator final : public Authenticator {
 public:
  TokenAuthenticator(const SecretSource& secrets, const Clock& clock, TokenTrusts trusts = {})
      : verifier_(secrets, clock, std::move(trusts)) {}
  bool needs_credential() const override { return true; }
  Status authenticate(const Resource& dataplane, const Secret& credential) const override;

 private:
  TokenVerifier verifier_;
};

// The credential of a request: the field `authorization`, with or without "Bearer " before it. Empty when there is none;
// Unauthenticated when there are several.
Result<Secret> find_credential(const wire::Headers& headers);

}  // namespace mesh
