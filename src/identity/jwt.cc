#include "identity/jwt.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <optional>

#include "base/encoding.h"

namespace mesh {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxTokenBytes = 16 * 1024;
constexpr std::size_t kMaxKeyIdBytes = 128;
constexpr std::size_t kMaxDepth = 8;

Error refused(std::string why) { return error(ErrorKind::Unauthenticated, "the token " + std::move(why)); }

std::size_t count_keys(const json::value& value) {
  std::size_t keys = 0;
  if (const json::object* object = value.if_object()) {
    keys = object->size();
    for (const auto& member : *object) keys += count_keys(member.value());
  } else if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) keys += count_keys(element);
  }
  return keys;
}

// How often a string is followed by a colon in a text that is known to be JSON.
std::size_t count_keys(std::string_view text) {
  std::size_t keys = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '"') continue;
    for (++at; text[at] != '"'; ++at)
      if (text[at] == '\\') ++at;
    const std::size_t next = text.find_first_not_of(" \t\r\n", at + 1);
    if (next != std::string_view::npos && text[next] == ':') ++keys;
  }
  return keys;
}

// Parsers disagree on which of two equal keys counts, so a text with such keys is not ours.
std::optional<json::object> parse_object(std::string_view base64) {
  const std::optional<std::string> text = base64url_decode(base64);
  if (!text) return std::nullopt;
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::error_code failed;
  json::value value = json::parse(*text, failed, {}, options);
  if (failed || !value.is_object() || count_keys(value) != count_keys(*text)) return std::nullopt;
  return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

}  // namespace

Result<UnverifiedToken> read_token(std::string_view text) {
  if (text.size() > kMaxTokenBytes) return refused(fmt::format("is longer than {} bytes", kMaxTokenBytes));
  const std::size_t first = text.find('.');
  const std::size_t second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.find('.', second + 1) != std::string_view::npos)
    return refused("is not a JSON Web Token: it must have three parts");

  const std::optional<json::object> header = parse_object(text.substr(0, first));
  if (!header) return refused("has a header that is not a JSON object in base64url, or names a field twice");
  if (text_of(*header, "alg") != "RS256") return refused("is not signed with RS256");
  if (header->contains("crit")) return refused("has a header \"crit\", which is not supported");
  std::string key_id = text_of(*header, "kid");
  if (key_id.empty() || key_id.size() > kMaxKeyIdBytes) return refused("has no usable key id (header \"kid\")");

  std::optional<std::string> signature = base64url_decode(text.substr(second + 1));
  if (!signature || signature->empty()) return refused("has no signature in base64url");
  return UnverifiedToken{.key_id = std::move(key_id),
                         .signed_part = text.substr(0, second),
                         .claims = text.substr(first + 1, second - first - 1),
                         .signature = std::move(*signature)};
}

Result<json::object> verified_claims(const UnverifiedToken& token, EVP_PKEY* key) {
  const openssl::DigestContext context(EVP_MD_CTX_new());
  const auto bytes = [](std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  const bool holds = EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1 &&
                     EVP_DigestVerify(context.get(), bytes(token.signature), token.signature.size(),
                                      bytes(token.signed_part), token.signed_part.size()) == 1;
  if (!holds) {
    (void)openssl::failure("");
    return refused(fmt::format("has a signature that the key \"{}\" did not make", token.key_id));
  }
  std::optional<json::object> claims = parse_object(token.claims);
  if (!claims) return refused("has claims that are not a JSON object in base64url, or names one twice");
  return std::move(*claims);
}

Result<Secret> sign_token(const json::object& claims, const std::string& key_id, EVP_PKEY* key) {
  const json::object header{{"alg", "RS256"}, {"kid", key_id}, {"typ", "JWT"}};
  std::string token = base64url_encode(json::serialize(header)) + "." + base64url_encode(json::serialize(claims));
  const openssl::DigestContext context(EVP_MD_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(token.data());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, token.size()) != 1)
    return openssl::failure("cannot sign a token");
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes, token.size()) !=
      1)
    return openssl::failure("cannot sign a token");
  signature.resize(size);
  return Secret(token + "." + base64url_encode(signature));
}

}  // namespace mesh
