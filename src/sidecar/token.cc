#include "sidecar/token.h"

#include <algorithm>

#include "base/encoding.h"
#include "base/files.h"

namespace mesh::sidecar {

namespace {

constexpr std::size_t kLongestToken = 64UL << 10;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

Result<Secret> parse_token(std::string_view text, std::string_view source) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  const std::string where(source);
  if (text.empty()) return invalid(where, "is empty; it must hold a dataplane token");
  if (std::any_of(text.begin(), text.end(), is_space)) {
    return invalid(where, "has white space inside the token; only before and after it may be some");
  }
  const auto first_dot = text.find('.');
  const bool is_jwt =
      std::count(text.begin(), text.end(), '.') == 2 && base64url_decode(text.substr(0, first_dot)).has_value();
  if (!is_jwt) return invalid(where, "does not hold a dataplane token (a JWT: three parts with dots between them)");
  return Secret(std::string(text));
}

Result<Secret> read_token_file(const std::string& path) {
  auto text = read_file(path, kLongestToken);
  if (!text) return with_context(std::move(text).error(), "reading the dataplane token");
  return parse_token(*text, path);
}

}  // namespace mesh::sidecar
