// JSON Web Tokens as we use them: three parts, signed with RS256, with a key id. Strict: one text for one token, no
// other algorithm, no header that must be understood. A token's claims cannot be had before its signature was checked.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "identity/openssl.h"

namespace mesh {

// What may be known of a token before its key is. Points into the token's text.
struct UnverifiedToken {
  std::string key_id;
  std::string_view signed_part;  // header and claims, as they were signed
  std::string_view claims;       // base64url
  std::string signature;
};

// Unauthenticated, saying what is wrong with the form.
Result<UnverifiedToken> read_token(std::string_view text);

// The claims, when `key` signed them. Unauthenticated otherwise.
Result<boost::json::object> verified_claims(const UnverifiedToken& token, EVP_PKEY* key);

Result<Secret> sign_token(const boost::json::object& claims, const std::string& key_id, EVP_PKEY* key);

}  // namespace mesh
