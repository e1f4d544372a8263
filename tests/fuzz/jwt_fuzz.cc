// Tokens come from whoever can reach a port. Whatever the bytes are, a token that we did not sign is refused; and
// claims that were signed are understood or refused, but break nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/encoding.h"
#include "identity/claims.h"
#include "identity/jwt.h"
#include "identity/signing_keys.h"
#include "identity/tokens.h"

namespace {

using namespace mesh;

const Secret& signing_key() {
  static const Secret key = make_signing_key().value();
  return key;
}

class OneKey final : public SecretSource {
 public:
  Result<Secret> find_secret(const std::string&, const std::string& name) const override {
    if (name.ends_with("signing-key-1")) return signing_key();
    return error(ErrorKind::NotFound, "not there");
  }
  Result<std::vector<std::string>> list_secrets(const std::string&, const std::string&) const override {
    return std::vector<std::string>();
  }
};

std::string sign(std::string_view claims) {
  static const SharedKey key = read_signing_key(signing_key()).value();
  const std::string part = base64url_encode(R"({"alg":"RS256","kid":"1"})") + "." + base64url_encode(claims);
  const openssl::DigestContext context(EVP_MD_CTX_new());
  std::string signature(256, '\0');
  std::size_t size = signature.size();
  EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get());
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                 reinterpret_cast<const unsigned char*>(part.data()), part.size());
  return part + "." + base64url_encode(signature);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const OneKey secrets;
  static const ManualClock clock{SystemTime(std::chrono::seconds(1'800'000'000))};
  static const TokenVerifier verifier(secrets, clock);
  const std::string_view text(reinterpret_cast<const char*>(data), size);

  if (verifier.verify_zone(text).has_value() || verifier.verify_user(text).has_value()) std::abort();
  if (size > 4096) return 0;
  const std::string token = sign(text);
  const auto zone = verifier.verify_zone(token);
  const auto user = verifier.verify_user(token);
  // What was understood says the same when it is printed and read again.
  if (zone.has_value() && read_zone_claims(print_claims(*zone)).value().scope != zone->scope) std::abort();
  if (user.has_value() && read_user_claims(print_claims(*user)).value().groups != user->groups) std::abort();
  return 0;
}
