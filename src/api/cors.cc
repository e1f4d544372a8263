#include "api/cors.h"

#include <algorithm>

namespace mesh::api {

bool Cors::allows(std::string_view origin) const {
  const auto scheme = origin.find("://");
  const auto host = scheme == std::string_view::npos ? origin : origin.substr(scheme + 3);
  return std::ranges::any_of(allowed_, [&](const std::string& allowed) {
    return allowed == ".*" || allowed == "*" || allowed == origin || allowed == host;
  });
}

std::optional<wire::Response> Cors::answer_preflight(const wire::Request& request) const {
  const auto origin = request.headers.find("origin");
  if (request.method != "OPTIONS" || !origin || !request.headers.find("access-control-request-method"))
    return std::nullopt;
  if (!allows(*origin)) return std::nullopt;
  wire::Response response{.status = 200, .headers = {}, .body = {}};
  response.headers.add("access-control-allow-origin", std::string(*origin));
  response.headers.add("access-control-allow-methods", "GET, HEAD, PUT, POST, DELETE");
  response.headers.add("access-control-allow-headers", "authorization, content-type, accept");
  response.headers.add("vary", "Origin");
  return response;
}

void Cors::add_headers(const wire::Request& request, wire::Response& response) const {
  const auto origin = request.headers.find("origin");
  if (!origin || !allows(*origin)) return;
  response.headers.add("access-control-allow-origin", std::string(*origin));
  response.headers.add("access-control-expose-headers", "Access-Control-Allow-Origin");
  response.headers.add("vary", "Origin");
}

}  // namespace mesh::api
