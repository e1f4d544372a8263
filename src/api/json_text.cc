#include "api/json_text.h"

#include <algorithm>

namespace mesh::api {

wire::Response json_response(int status, const boost::json::value& value) {
  wire::Response response{.status = status, .headers = {}, .body = print_json(value, 1) + "\n"};
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

}  // namespace mesh::api
