#include "identity/tokens.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/random.h"
#include "identity/claims.h"
#include "identity/jwt.h"
#include "identity/signing_keys.h"

namespace mesh {
namespace {

namespace json = boost::json;

// Clocks of who checks a token may be this far behind.
constexpr auto kBackdate = std::chrono::seconds(5);
constexpr Duration kLongest = std::chrono::hours(100 * 365 * 24);

constexpr std::string_view kZoneKeys = "zone-token-signing-key";
constexpr std::string_view kZonePublicKeys = "zone-token-signing-public-key";
constexpr std::string_view kUserKeys = "user-token-signing-key";

Error refused(std::string why) { return error(ErrorKind::Unauthenticated, std::move(why)); }

// Where the keys of a sort of tokens lie.
struct KeyPlace {
  std::string mesh;           // empty: global secrets
  std::string prefix;         // of the names of signing keys
  std::string public_prefix;  // of secrets that hold the public half only; empty: none
  std::string revocations;

  std::string describe(const std::string& name) const {
    return mesh.empty() ? fmt::format("GlobalSecret \"{}\"", name)
                        : fmt::format("Secret \"{}\" in mesh \"{}\"", name, mesh);
  }
};

KeyPlace dataplane_keys(const std::string& mesh) {
  return {mesh, "dataplane-token-signing-key-" + mesh, "", "dataplane-token-revocations-" + mesh};
}
KeyPlace zone_keys() { return {"", std::string(kZoneKeys), std::string(kZonePublicKeys), "zone-token-revocations"}; }
KeyPlace user_keys() { return {"", std::string(kUserKeys), "", "user-token-revocations"}; }

// Key id "0" is the key from before there were serials.
std::string secret_name(const std::string& prefix, std::string_view key_id) {
  return key_id == "0" ? prefix : fmt::format("{}-{}", prefix, key_id);
}

// ---- issuing

std::optional<int> serial_of(std::string_view name, std::string_view prefix) {
  if (name == prefix) return 0;
  if (!name.starts_with(prefix) || name.substr(prefix.size(), 1) != "-") return std::nullopt;
  const std::string_view digits = name.substr(prefix.size() + 1);
  int serial = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), serial);
  if (failed != std::errc() || end != digits.data() + digits.size() || serial < 0) return std::nullopt;
  return serial;
}

struct SigningKey {
  std::string key_id;
  SharedKey key;
};

Result<SigningKey> newest_signing_key(const SecretSource& secrets, const KeyPlace& place) {
  MESH_TRY(const std::vector<std::string> names, secrets.list_secrets(place.mesh, place.prefix));
  int highest = -1;
  for (const std::string& name : names) highest = std::max(highest, serial_of(name, place.prefix).value_or(-1));
  if (highest < 0)
    return error(ErrorKind::NotFound,
                 "there is no signing key: " + place.describe(secret_name(place.prefix, "1")) + " is missing");
  const std::string key_id = std::to_string(highest);
  const std::string name = secret_name(place.prefix, key_id);
  MESH_TRY(const Secret content, secrets.find_secret(place.mesh, name));
  Result<SharedKey> key = read_signing_key(content);
  if (!key.has_value()) return error(ErrorKind::Internal, place.describe(name) + " " + key.error().text);
  return SigningKey{key_id, std::move(*key)};
}

std::int64_t seconds(SystemTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

Result<Secret> sign(json::object claims, const SigningKey& key, Duration valid_for, const Clock& clock) {
  if (valid_for <= Duration::zero()) return invalid("validFor", "must be more than 0");
  if (valid_for > kLongest) return invalid("validFor", "must be at most 100 years");
  const SystemTime now = clock.now();
  const SystemTime expires = now + std::chrono::duration_cast<SystemTime::duration>(valid_for);
  claims["iat"] = seconds(now - kBackdate);
  claims["nbf"] = seconds(now - kBackdate);
  claims["exp"] = seconds(expires);
  claims["jti"] = make_uuid();
  return sign_token(claims, key.key_id, key.key.get());
}

Result<Secret> issue_with(const SecretSource& secrets, const KeyPlace& place, json::object claims, Duration valid_for,
                          const Clock& clock) {
  MESH_TRY(const SigningKey key, newest_signing_key(secrets, place));
  return sign(std::move(claims), key, valid_for, clock);
}

Result<Secret> sign_with(json::object claims, const Secret& signing_key_pem, const std::string& key_id,
                         Duration valid_for, const Clock& clock) {
  if (key_id.empty()) return invalid("kid", "must be set");
  MESH_TRY(SharedKey key, read_signing_key(signing_key_pem));
  return sign(std::move(claims), {key_id, std::move(key)}, valid_for, clock);
}

// ---- verifying

std::optional<SystemTime> time_of(const json::value& value) {
  if (!value.is_number()) return std::nullopt;
  const double number = value.to_number<double>();
  if (!std::isfinite(number) || std::abs(number) > 9e9) return std::nullopt;  // what 64 bits of nanoseconds can hold
  return SystemTime(std::chrono::duration_cast<SystemTime::duration>(std::chrono::duration<double>(number)));
}

// A token without an expiry is one that whoever holds the signing key wanted to last; the stock control plane takes it
// too.
Status check_times(const json::object& claims, SystemTime now) {
  if (const json::value* expires = claims.if_contains("exp"); expires != nullptr) {
    const std::optional<SystemTime> time = time_of(*expires);
    if (!time) return refused("the token has an expiry (\"exp\") that is not a time");
    if (now >= *time) return refused("the token expired at " + format_time(*time));
  }
  if (const json::value* starts = claims.if_contains("nbf"); starts != nullptr) {
    const std::optional<SystemTime> time = time_of(*starts);
    if (!time) return refused("the token has a start (\"nbf\") that is not a time");
    if (now < *time)
      return refused(
          fmt::format("the token is not valid before {}; is the clock right where it was issued?", format_time(*time)));
  }
  return {};
}

bool lists(std::string_view revocations, std::string_view id) {
  while (!revocations.empty()) {
    const std::size_t end = std::min(revocations.find_first_of(", \t\r\n"), revocations.size());
    if (revocations.substr(0, end) == id) return true;
    revocations.remove_prefix(std::min(end + 1, revocations.size()));
  }
  return false;
}

// A list that cannot be read lets nobody in; one that does not exist revokes nothing.
Result<bool> is_revoked(const SecretSource& secrets, const KeyPlace& place, std::string_view id) {
  for (const std::string& mesh : std::set<std::string>{"", place.mesh}) {
    const Result<Secret> list = secrets.find_secret(mesh, place.revocations);
    if (!list.has_value() && list.error().kind != ErrorKind::NotFound) return list.error();
    if (list.has_value() && lists(list->reveal(), id)) return true;
  }
  return false;
}

class Check {
 public:
  Check(const SecretSource& secrets, const Clock& clock, const TokenTrust& trust, VerificationKeys& keys,
        KeyPlace place)
      : secrets_(secrets), clock_(clock), trust_(trust), keys_(keys), place_(std::move(place)) {}

  Result<json::object> claims_of(std::string_view text) const {
    MESH_TRY(const UnverifiedToken token, read_token(text));
    MESH_TRY(const SharedKey key, find_key(token.key_id));
    MESH_TRY(json::object claims, verified_claims(token, key.get()));
    MESH_RETURN_IF_ERROR(check_times(claims, clock_.now()));
    MESH_RETURN_IF_ERROR(check_revocation(claims));
    return claims;
  }

 private:
  Result<SharedKey> find_key(const std::string& key_id) const {
    for (const TrustedPublicKey& key : trust_.public_keys)
      if (key.key_id == key_id && (key.mesh.empty() || key.mesh == place_.mesh)) return keys_.of_public(key.pem);
    const Error unknown =
        refused(fmt::format("the token was signed with the key \"{}\", which is not known: there is no {}; if the key "
                            "was rotated, make a new token",
                            key_id, place_.describe(secret_name(place_.prefix, key_id))));
    if (!trust_.use_secrets) return unknown;
    const Result<Secret> secret = secrets_.find_secret(place_.mesh, secret_name(place_.prefix, key_id));
    if (secret.has_value()) return keys_.of_private(*secret);
    if (secret.error().kind != ErrorKind::NotFound) return secret.error();
    if (place_.public_prefix.empty()) return unknown;
    const Result<Secret> half = secrets_.find_secret(place_.mesh, secret_name(place_.public_prefix, key_id));
    if (half.has_value()) return keys_.of_public(half->reveal());
    return half.error().kind == ErrorKind::NotFound ? unknown : half.error();
  }

  Status check_revocation(const json::object& claims) const {
    const json::value* id = claims.if_contains("jti");
    if (id == nullptr) return {};
    if (!id->is_string()) return refused("the token has an id (\"jti\") that is not a text");
    MESH_TRY(const bool revoked, is_revoked(secrets_, place_, id->get_string()));
    if (revoked) return refused("the token is revoked");
    return {};
  }

  const SecretSource& secrets_;
  const Clock& clock_;
  const TokenTrust& trust_;
  VerificationKeys& keys_;
  const KeyPlace place_;
};

}  // namespace

Result<Secret> TokenIssuer::issue(const DataplaneClaims& claims, Duration valid_for) const {
  return issue_with(secrets_, dataplane_keys(claims.mesh), print_claims(claims), valid_for, clock_);
}
Result<Secret> TokenIssuer::issue(const ZoneClaims& claims, Duration valid_for) const {
  return issue_with(secrets_, zone_keys(), print_claims(claims), valid_for, clock_);
}
Result<Secret> TokenIssuer::issue(const User& user, Duration valid_for) const {
  return issue_with(secrets_, user_keys(), print_claims(user), valid_for, clock_);
}

Result<Secret> sign_offline(const DataplaneClaims& claims, const Secret& signing_key_pem, const std::string& key_id,
                            Duration valid_for, const Clock& clock) {
  return sign_with(print_claims(claims), signing_key_pem, key_id, valid_for, clock);
}
Result<Secret> sign_offline(const ZoneClaims& claims, const Secret& signing_key_pem, const std::string& key_id,
                            Duration valid_for, const Clock& clock) {
  return sign_with(print_claims(claims), signing_key_pem, key_id, valid_for, clock);
}
Result<Secret> sign_offline(const User& user, const Secret& signing_key_pem, const std::string& key_id,
                            Duration valid_for, const Clock& clock) {
  return sign_with(print_claims(user), signing_key_pem, key_id, valid_for, clock);
}

TokenVerifier::TokenVerifier(const SecretSource& secrets, const Clock& clock, TokenTrusts trusts)
    : secrets_(secrets), clock_(clock), trusts_(std::move(trusts)), keys_(std::make_unique<VerificationKeys>()) {}
TokenVerifier::~TokenVerifier() = default;

Result<DataplaneClaims> TokenVerifier::verify_dataplane(std::string_view token, const std::string& mesh) const {
  MESH_TRY(const json::object claims,
           Check(secrets_, clock_, trusts_.dataplane, *keys_, dataplane_keys(mesh)).claims_of(token));
  return read_dataplane_claims(claims);
}

Result<ZoneClaims> TokenVerifier::verify_zone(std::string_view token) const {
  MESH_TRY(const json::object claims, Check(secrets_, clock_, trusts_.zone, *keys_, zone_keys()).claims_of(token));
  return read_zone_claims(claims);
}

Result<User> TokenVerifier::verify_user(std::string_view token) const {
  MESH_TRY(const json::object claims, Check(secrets_, clock_, trusts_.user, *keys_, user_keys()).claims_of(token));
  return read_user_claims(claims);
}

std::string dataplane_signing_key_secret(const std::string& mesh, int serial) {
  return secret_name(dataplane_keys(mesh).prefix, std::to_string(serial));
}
std::string zone_signing_key_secret(int serial) { return secret_name(std::string(kZoneKeys), std::to_string(serial)); }
std::string user_signing_key_secret(int serial) { return secret_name(std::string(kUserKeys), std::to_string(serial)); }

}  // namespace mesh
