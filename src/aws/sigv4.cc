#include "aws/sigv4.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>

#include "aws/crypto.h"
#include "base/encoding.h"

namespace mesh::aws {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string uri_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// RFC 3986 section 5.2.4, and no empty segments.
std::string remove_dots(std::string_view path) {
  std::vector<std::string_view> kept;
  std::string_view rest = path;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('/'), rest.size());
    const auto segment = rest.substr(0, end);
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!segment.empty() && segment != ".") {
      kept.push_back(segment);
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::string out;
  for (const auto segment : kept) out += "/" + std::string(segment);
  const bool is_folder = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  if (out.empty() || is_folder) out += "/";
  return out;
}

// What is encoded already stays as it is.
std::string encode_rest(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool is_encoded =
        path[i] == '%' && i + 2 < path.size() && hex_value(path[i + 1]) >= 0 && hex_value(path[i + 2]) >= 0;
    out += is_encoded ? "%" : uri_encode(path.substr(i, 1), true);
  }
  return out;
}

std::string canonical_path(std::string_view path, const SigningOptions& options) {
  if (path.empty()) return "/";
  const std::string normal = options.normalize_path ? remove_dots(path) : std::string(path);
  return options.encode_path_twice ? uri_encode(normal, true) : encode_rest(normal);
}

std::string canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parts;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto part = query.substr(0, end);
    if (!part.empty()) {
      const auto equal = std::min(part.find('='), part.size());
      parts.emplace_back(uri_encode(uri_decode(part.substr(0, equal))),
                         uri_encode(uri_decode(part.substr(std::min(equal + 1, part.size())))));
    }
    query.remove_prefix(std::min(end + 1, query.size()));
  }
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const auto& [name, value] : parts) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

// Without white space at the ends, and one space for several.
std::string squeeze(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (!is_space)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string credential_scope_of(const std::string& date, const SigningScope& scope) {
  return fmt::format("{}/{}/{}/aws4_request", date.substr(0, 8), scope.region, scope.service);
}

std::string text_to_sign(const std::string& date, const SigningScope& scope, const std::string& canonical_request) {
  return fmt::format("{}\n{}\n{}\n{}", kAlgorithm, date, credential_scope_of(date, scope),
                     hex_encode(sha256(canonical_request)));
}

std::string sign_text(const std::string& text, const KeyPair& keys, const std::string& date,
                      const SigningScope& scope) {
  const Secret day_key(hmac_sha256("AWS4" + keys.secret_access_key.reveal(), date.substr(0, 8)));
  const Secret region_key(hmac_sha256(day_key.reveal(), scope.region));
  const Secret service_key(hmac_sha256(region_key.reveal(), scope.service));
  const Secret signing_key(hmac_sha256(service_key.reveal(), "aws4_request"));
  return hex_encode(hmac_sha256(signing_key.reveal(), text));
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slashes) {
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slashes && c == '/'))
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string form_encode(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + uri_encode(name) + "=" + uri_encode(value);
  return out;
}

std::string amz_date(SystemTime time) {
  return fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

Result<SystemTime> parse_amz_date(std::string_view text) {
  constexpr std::string_view kShape =
      "dddddddd"
      "T"
      "dddddd"
      "Z";
  const auto fits = [&](std::size_t i) {
    return kShape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == kShape[i];
  };
  bool good = text.size() == kShape.size();
  for (std::size_t i = 0; good && i < kShape.size(); ++i) good = fits(i);
  if (good) {
    const std::string t(text);
    auto time = parse_time(t.substr(0, 4) + "-" + t.substr(4, 2) + "-" + t.substr(6, 2) + "T" + t.substr(9, 2) + ":" +
                           t.substr(11, 2) + ":" + t.substr(13, 2) + "Z");
    // Written back it must be the same: no 31st of February.
    if (time && amz_date(*time) == text) return time;
  }
  return invalid("date", "is not a time like 20150830T123600Z");
}

Signature sign(const SigningRequest& request, const KeyPair& keys, const SigningScope& scope, SystemTime now,
               const SigningOptions& options) {
  Signature out;
  out.amz_date = amz_date(now);
  const std::string body_hash = hex_encode(sha256(request.body));
  out.headers.emplace_back("X-Amz-Date", out.amz_date);
  if (options.add_content_sha256) out.headers.emplace_back("x-amz-content-sha256", body_hash);
  if (!keys.session_token.empty()) out.headers.emplace_back("X-Amz-Security-Token", keys.session_token.reveal());

  std::map<std::string, std::string> canonical;
  const auto add = [&](const std::string& name, const std::string& value) {
    auto [at, is_new] = canonical.emplace(to_lower(name), squeeze(value));
    if (!is_new) at->second += "," + squeeze(value);
  };
  for (const auto& [name, value] : request.headers) add(name, value);
  for (const auto& [name, value] : out.headers) {
    const bool is_token = name == "X-Amz-Security-Token";
    if (!is_token || options.sign_session_token) add(name, value);
  }

  std::string header_lines;
  for (const auto& [name, value] : canonical) {
    header_lines += name + ":" + value + "\n";
    out.signed_headers += (out.signed_headers.empty() ? "" : ";") + name;
  }
  out.canonical_request = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, canonical_path(request.path, options),
                                      canonical_query(request.query), header_lines, out.signed_headers, body_hash);
  const std::string credential_scope = credential_scope_of(out.amz_date, scope);
  out.string_to_sign = text_to_sign(out.amz_date, scope, out.canonical_request);
  out.hex = sign_text(out.string_to_sign, keys, out.amz_date, scope);
  out.headers.emplace_back("Authorization",
                           fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                                       keys.access_key_id, credential_scope, out.signed_headers, out.hex));
  return out;
}

std::string presign(const SigningRequest& request, const KeyPair& keys, const SigningScope& scope, SystemTime now,
                    std::chrono::seconds valid_for) {
  const std::string date = amz_date(now);
  std::vector<std::pair<std::string, std::string>> fields = {
      {"X-Amz-Algorithm", std::string(kAlgorithm)},
      {"X-Amz-Credential", keys.access_key_id + "/" + credential_scope_of(date, scope)},
      {"X-Amz-Date", date},
      {"X-Amz-Expires", std::to_string(valid_for.count())},
      {"X-Amz-SignedHeaders", "host"}};
  if (!keys.session_token.empty()) fields.emplace_back("X-Amz-Security-Token", keys.session_token.reveal());
  const std::string query = request.query + (request.query.empty() ? "" : "&") + form_encode(fields);
  std::string host;
  for (const auto& [name, value] : request.headers) {
    if (to_lower(name) == "host") host = squeeze(value);
  }
  const std::string canonical =
      fmt::format("{}\n{}\n{}\nhost:{}\n\nhost\n{}", request.method, canonical_path(request.path, {}),
                  canonical_query(query), host, hex_encode(sha256(request.body)));
  return query + "&X-Amz-Signature=" + sign_text(text_to_sign(date, scope, canonical), keys, date, scope);
}

}  // namespace mesh::aws
