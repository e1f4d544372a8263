#include "cli/client.h"

#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "cli/fields.h"
#include "model/json.h"

namespace mesh::cli {

namespace {

using boost::json::object;
using boost::json::value;

ErrorKind kind_of(int status) {
  switch (status) {
    case 400: return ErrorKind::Invalid;
    case 401: return ErrorKind::Unauthenticated;
    case 403: return ErrorKind::Denied;
    case 404: return ErrorKind::NotFound;
    case 409: return ErrorKind::Conflict;
    case 413: return ErrorKind::TooLarge;
    case 502:
    case 503:
    case 504: return ErrorKind::Unavailable;
    default: return ErrorKind::Internal;
  }
}

// `invalid_parameters` of today's servers, `causes` of older ones.
std::vector<Violation> violations_of(const object& body) {
  for (const auto& [list, reason] : {std::pair{"invalid_parameters", "reason"}, {"causes", "message"}}) {
    const value* found = body.if_contains(list);
    if (found == nullptr || !found->is_array()) continue;
    std::vector<Violation> out;
    for (const auto& item : found->get_array()) {
      if (item.is_object()) out.push_back({text_at(item.get_object(), "field"), text_at(item.get_object(), reason)});
    }
    return out;
  }
  return {};
}

Result<std::string> read_if_given(const std::string& path) {
  if (path.empty()) return std::string();
  return read_file(path, 1UL << 20);
}

}  // namespace

std::string piece(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("%{:02X}", c);
    }
  }
  return out;
}

Error server_error(const wire::Response& response) {
  Error out{kind_of(response.status), {}, {}, {}};
  const auto body = parse_json(response.body);
  if (!body || !body->is_object() || text_at(body->get_object(), "title").empty()) {
    out.text = fmt::format("the server answered {}{}{}", response.status, response.body.empty() ? "" : ": ",
                           std::string_view(response.body).substr(0, 1000));
    return out;
  }
  const object& problem = body->get_object();
  const std::string detail =
      text_at(problem, "detail").empty() ? text_at(problem, "details") : text_at(problem, "detail");
  out.text = fmt::format("{} ({})", text_at(problem, "title"), detail);
  out.violations = violations_of(problem);
  return out;
}

Result<Client> Client::open(const ControlPlane& control_plane, Duration timeout) {
  Client client;
  wire::ClientRequest& base = client.template_;
  base.url = control_plane.url;
  while (base.url.ends_with('/')) base.url.pop_back();
  if (!base.url.starts_with("http://") && !base.url.starts_with("https://")) {
    return invalid("address", fmt::format("is \"{}\"; must begin with http:// or https://", control_plane.url));
  }
  base.timeout = timeout > Duration::zero() ? timeout : Duration(std::chrono::hours(24));  // zero: as long as it takes
  for (const auto& [name, text] : control_plane.headers) base.headers.add(name, text);
  if (control_plane.auth_type == "tokens") {
    const auto token = control_plane.auth_conf.find("token");
    if (token == control_plane.auth_conf.end() || token->second.empty())
      return invalid("auth-conf", "provide token=YOUR_TOKEN");
    base.headers.set("authorization", "Bearer " + token->second);
  } else if (!control_plane.auth_type.empty()) {
    return invalid("auth-type", fmt::format("is \"{}\"; may be tokens", control_plane.auth_type));
  }
  base.tls.skip_verify = control_plane.skip_verify;
  MESH_TRY(base.tls.ca_pem, read_if_given(control_plane.ca_cert_file));
  MESH_TRY(base.tls.certificate_pem, read_if_given(control_plane.client_cert_file));
  MESH_TRY(base.tls.key_pem, read_if_given(control_plane.client_key_file));
  return client;
}

Result<wire::Response> Client::send(const char* method, std::string_view path, const Query& query,
                                    std::string body) const {
  wire::ClientRequest request = template_;
  request.method = method;
  request.url += path;
  char separator = '?';
  for (const auto& [key, text] : query) {
    request.url += fmt::format("{}{}={}", separator, piece(key), piece(text));
    separator = '&';
  }
  request.headers.set("accept", "application/json");
  if (!body.empty()) request.headers.set("content-type", "application/json");
  request.body = std::move(body);
  MESH_TRY(auto response, wire::fetch_and_wait(std::move(request)));
  if (response.status < 200 || response.status > 299) return server_error(response);
  return response;
}

Result<wire::Response> Client::get(std::string_view path, const Query& query) const {
  return send("GET", path, query, {});
}

Result<value> Client::get_json(std::string_view path, const Query& query) const {
  MESH_TRY(const auto response, get(path, query));
  auto json = parse_json(response.body, {.bytes = 256UL << 20});
  if (!json) return with_context(json.error(), "while reading the server's answer");
  return json;
}

Result<wire::Response> Client::put(std::string_view path, const value& body) const {
  return send("PUT", path, {}, print_json(body));
}
Result<wire::Response> Client::post(std::string_view path, const value& body) const {
  return send("POST", path, {}, print_json(body));
}
Result<wire::Response> Client::remove(std::string_view path) const { return send("DELETE", path, {}, {}); }

}  // namespace mesh::cli
