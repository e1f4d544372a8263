// Tokens: RS256 JWTs with a key id, signed with keys that lie in the store as secrets.
//   dataplane-token-signing-key-<mesh>-<serial>  per mesh        claims: Name, Mesh, Tags, Type, Workload
//   zone-token-signing-key-<serial>              global          claims: Zone, Scope
//   user-token-signing-key-<serial>              global          claims: Name, Groups
// with jti, iat, nbf, exp as in RFC 7519, and revocation lists (comma separated jti) in the secrets
// dataplane-token-revocations-<mesh> (of the mesh or global), zone-token-revocations, user-token-revocations (global).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/secret_source.h"

namespace mesh {

struct DataplaneClaims {
  std::string name;  // empty: any
  std::string mesh;
  std::map<std::string, std::set<std::string>> tags;  // tag → values it may have; the proxy must carry each tag
  std::string type;                                   // "dataplane", "ingress", "egress"; empty: dataplane
  std::string workload;
};
struct ZoneClaims {
  std::string zone;
  std::vector<std::string> scope;
};
struct User {
  std::string name;
  std::vector<std::string> groups;
  bool is_in(std::string_view group) const;
};

// Thread-safe.
class TokenIssuer {
 public:
  TokenIssuer(const SecretSource& secrets, const Clock& clock) : secrets_(secrets), clock_(clock) {}
  // Signed with the key of the highest serial. NotFound: there is no signing key (says which secret).
  Result<Secret> issue(const DataplaneClaims& claims, Duration valid_for) const;
  Result<Secret> issue(const ZoneClaims& claims, Duration valid_for) const;
  Result<Secret> issue(const User& user, Duration valid_for) const;

 private:
  const SecretSource& secrets_;
  const Clock& clock_;
};

// The same without a control plane, for who holds the signing key.
Result<Secret> sign_offline(const DataplaneClaims& claims, const Secret& signing_key_pem, const std::string& key_id,
                            Duration valid_for, const Clock& clock);
Result<Secret> sign_offline(const ZoneClaims& claims, const Secret& signing_key_pem, const std::string& key_id,
                            Duration valid_for, const Clock& clock);
Result<Secret> sign_offline(const User& user, const Secret& signing_key_pem, const std::string& key_id,
                            Duration valid_for, const Clock& clock);

// A key whose private half is elsewhere, from the settings.
struct TrustedPublicKey {
  std::string key_id;
  std::string mesh;  // for dataplane tokens: the mesh it is good for; empty: all
  std::string pem;
};
struct TokenTrust {
  bool use_secrets = true;
  std::vector<TrustedPublicKey> public_keys;  // looked up before the secrets
};
struct TokenTrusts {
  TokenTrust dataplane, zone, user;
};

class VerificationKeys;

// Thread-safe. Unauthenticated with the reason (expired, revoked, unknown key id, bad signature, wrong algorithm …),
// never with the token. No claim is looked at before the signature holds. Parsed keys are kept, so that what a connect
// costs is the check of its signature.
class TokenVerifier {
 public:
  TokenVerifier(const SecretSource& secrets, const Clock& clock, TokenTrusts trusts = {});
  ~TokenVerifier();
  // `mesh` says whose keys; whether the claims fit the proxy is for check_claims.
  Result<DataplaneClaims> verify_dataplane(std::string_view token, const std::string& mesh) const;
  Result<ZoneClaims> verify_zone(std::string_view token) const;
  Result<User> verify_user(std::string_view token) const;

 private:
  const SecretSource& secrets_;
  const Clock& clock_;
  const TokenTrusts trusts_;
  const std::unique_ptr<VerificationKeys> keys_;
};

// A new RSA-2048 signing key, as a PEM (PKCS#1) private key.
Result<Secret> make_signing_key();
Result<std::string> public_key_of(const Secret& private_key_pem);
Status check_public_key(const std::string& pem);

// Names of the secrets; the serial of a first key is 1.
std::string dataplane_signing_key_secret(const std::string& mesh, int serial);
std::string zone_signing_key_secret(int serial);
std::string user_signing_key_secret(int serial);

// May this proxy run with these claims? Denied, naming the tag, its value and what is allowed. The order is: name,
// mesh, tags (the proxy has every tag of the token, and no value of it that the token does not list), workload.
Status check_claims(const DataplaneClaims& claims, const std::string& mesh, const std::string& name,
                    const std::map<std::string, std::set<std::string>>& proxy_tags, const std::string& workload);

}  // namespace mesh
