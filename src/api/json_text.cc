#include "api/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

namespace mesh::api {

namespace {

void append(std::string& out, const boost::json::value& value, int depth);

void new_line(std::string& out, int depth) {
  out += '\n';
  out.append(static_cast<std::size_t>(depth), ' ');
}

void append(std::string& out, const boost::json::object& object, int depth) {
  if (object.empty()) {
    out += "{}";
    return;
  }
  out += '{';
  bool first = true;
  for (const auto& [key, value] : object) {
    if (!first) out += ',';
    first = false;
    new_line(out, depth + 1);
    out += boost::json::serialize(boost::json::string(key));
    out += ": ";
    append(out, value, depth + 1);
  }
  new_line(out, depth);
  out += '}';
}

void append(std::string& out, const boost::json::array& array, int depth) {
  if (array.empty()) {
    out += "[]";
    return;
  }
  out += '[';
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out += ',';
    new_line(out, depth + 1);
    append(out, array[i], depth + 1);
  }
  new_line(out, depth);
  out += ']';
}

void append(std::string& out, const boost::json::value& value, int depth) {
  if (value.is_object()) return append(out, value.get_object(), depth);
  if (value.is_array()) return append(out, value.get_array(), depth);
  if (value.is_double()) {
    out += fmt::format("{}", value.get_double());  // Boost would write 1.5 as 1.5E0
    return;
  }
  out += boost::json::serialize(value);
}

}  // namespace

std::string to_text(const boost::json::value& value) {
  std::string out;
  append(out, value, 0);
  return out;
}

wire::Response json_response(int status, const boost::json::value& value) {
  wire::Response response{.status = status, .headers = {}, .body = to_text(value) + "\n"};
  response.headers.add("content-type", "application/json");
  return response;
}

wire::Response text_response(int status, std::string text) {
  wire::Response response{.status = status, .headers = {}, .body = std::move(text)};
  response.headers.add("content-type", "text/plain");
  return response;
}

bool is_json(const wire::Request& request) {
  const auto type = request.headers.find("content-type");
  if (!type) return false;
  std::string media(type->substr(0, type->find(';')));
  std::ranges::transform(media, media.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return media.substr(0, media.find_last_not_of(' ') + 1) == "application/json";
}

Result<boost::json::value> parse_json(std::string_view text) {
  boost::system::error_code failed;
  boost::json::stream_parser parser;
  const std::size_t used = parser.write_some(text.data(), text.size(), failed);
  if (!failed && used < text.size()) {
    if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos) failed = boost::json::error::extra_data;
  }
  if (!failed) parser.finish(failed);
  if (failed) return invalid({}, fmt::format("not valid JSON: {} at byte {}", failed.message(), used));
  return parser.release();
}

}  // namespace mesh::api
