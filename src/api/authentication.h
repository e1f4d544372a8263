// Who is asking? In this order: a client on this very machine, a user token, a client certificate; else nobody known.
#pragma once

#include "base/result.h"
#include "identity/tokens.h"
#include "wire/http.h"

namespace mesh::api {

struct AuthenticationSettings {
  bool localhost_is_admin = true;
  bool accept_client_certificates = false;
};

// Unauthenticated: a token was shown, and it does not hold.
Result<User> authenticate(const wire::Request& request, const AuthenticationSettings& settings,
                          const TokenVerifier& verifier);

// True when a program on this machine calls us directly and by a name of this machine. False as soon as anything hints
// at a proxy in between, or at a browser that carries the wish of another site.
bool is_direct_loopback(const wire::Request& request);

}  // namespace mesh::api
