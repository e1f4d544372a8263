#include "api/paging.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "api/problem.h"

namespace mesh::api {

namespace {

std::optional<long> parse_number(std::string_view text) {
  long value = 0;
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Error bad(std::string field, std::string reason) {
  return {ErrorKind::Invalid, {}, {}, {{std::move(field), std::move(reason)}}};
}

std::string query_escape(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

std::string path_escape(std::string_view path) {
  std::string out;
  for (const unsigned char c : path) {
    const bool plain =
        std::isalnum(c) || std::string_view("-_.~/+:@!$&'()*,;=").find(static_cast<char>(c)) != std::string_view::npos;
    out += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return out;
}

std::string url_of_page(const wire::Request& request, std::size_t offset) {
  auto query = request.query;
  std::erase_if(query, [](const auto& entry) { return entry.first == "offset"; });
  query.emplace_back("offset", std::to_string(offset));
  std::ranges::stable_sort(query, {}, [](const auto& entry) { return entry.first; });
  std::string url = fmt::format("{}://{}{}", request.peer.is_tls ? "https" : "http",
                                request.headers.find("host").value_or("localhost"), path_escape(request.path));
  char separator = '?';
  for (const auto& [key, value] : query) {
    url += fmt::format("{}{}={}", separator, query_escape(key), query_escape(value));
    separator = '&';
  }
  return url;
}

}  // namespace

Result<PageRequest> parse_page(const wire::Request& request) {
  PageRequest page;
  if (const auto text = request.query_value("size"); text && !text->empty()) {
    const auto size = parse_number(*text);
    if (!size) return bad("size", "invalid format");
    if (*size <= 0) return bad("size", "must be greater than 0");
    if (static_cast<std::size_t>(*size) > kMaxPageSize) {
      return bad("size", fmt::format("is {}; a page has at most {} resources", *size, kMaxPageSize));
    }
    page.size = static_cast<std::size_t>(*size);
  }
  if (const auto text = request.query_value("offset"); text && !text->empty()) {
    const auto offset = parse_number(*text);
    if (!offset || *offset < 0)
      return Error{ErrorKind::Invalid, {}, "invalid offset: must be a number that is not negative", {}};
    page.offset = static_cast<std::size_t>(*offset);
  }
  return page;
}

wire::Response bad_page_response(const Error& error) {
  const std::string detail = error.violations.empty() ? error.text : "Invalid page size";
  return problem_response({400, "Could not retrieve resources", detail, error.violations});
}

boost::json::object page_json(const wire::Request& request, const PageRequest& page, std::size_t total,
                              boost::json::array items) {
  const std::size_t after = page.offset + page.size;
  boost::json::object out{{"total", total}, {"items", std::move(items)}, {"next", nullptr}};
  if (after > page.offset && after < total) out["next"] = url_of_page(request, after);
  return out;
}

boost::json::object page_of(const wire::Request& request, const PageRequest& page, const std::vector<Resource>& found) {
  boost::json::array items;
  for (std::size_t i = page.offset; i < found.size() && items.size() < page.size; ++i)
    items.push_back(meta_json(found[i]));
  return page_json(request, page, found.size(), std::move(items));
}

}  // namespace mesh::api
