#include "wire/target.h"

#include <boost/url/parse.hpp>
#include <boost/url/pct_string_view.hpp>
#include <boost/url/url_view.hpp>

namespace mesh::wire {

namespace {

// Browsers and curl send some characters bare that RFC 3986 wants escaped.
Result<std::string> escape_what_should_be(std::string_view target) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string_view unusual = target.starts_with('/') ? " \"<>\\^`{|}[]" : " \"<>\\^`{|}";  // a host may have brackets
  std::string escaped;
  escaped.reserve(target.size());
  for (char c : target) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) return invalid("request target", "contains a control character");
    if (byte >= 0x80 || unusual.find(c) != std::string_view::npos) {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string decoded(boost::urls::pct_string_view text, bool plus_is_space) {
  boost::urls::encoding_opts options;
  options.space_as_plus = plus_is_space;
  std::string result;
  text.decode(options, boost::urls::string_token::assign_to(result));
  return result;
}

Status parse_query(std::string_view query, Request& request) {
  while (!query.empty()) {
    std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty()) continue;
    std::size_t equals = std::min(pair.find('='), pair.size());
    auto name = boost::urls::make_pct_string_view(pair.substr(0, equals));
    auto value = boost::urls::make_pct_string_view(pair.substr(std::min(equals + 1, pair.size())));
    if (!name || !value) return invalid("request target", "has a bad percent escape in its query");
    request.query.emplace_back(decoded(*name, true), decoded(*value, true));
  }
  return {};
}

}  // namespace

Status parse_target(std::string_view target, Request& request) {
  request.target = target;
  request.path.clear();
  request.query.clear();
  if (target == "*") {
    request.path = "*";
    return {};
  }
  target = target.substr(0, target.find('#'));
  MESH_TRY(std::string escaped, escape_what_should_be(target));
  auto url =
      escaped.starts_with('/') ? boost::urls::parse_origin_form(escaped) : boost::urls::parse_absolute_uri(escaped);
  if (!url || (url->has_scheme() && url->encoded_host().empty()))
    return invalid("request target", "is not a path or a URL");
  request.path = decoded(url->encoded_path(), false);
  if (request.path.empty()) request.path = "/";
  if (request.path.find('\0') != std::string::npos) return invalid("request target", "contains a zero byte");
  return url->has_query() ? parse_query(url->encoded_query(), request) : Status{};
}

}  // namespace mesh::wire
