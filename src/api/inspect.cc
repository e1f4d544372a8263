// Looking into single things: what a proxy was given, and any resource by its KRI.
#include <array>

#include "api/context.h"
#include "api/json_text.h"
#include "api/problem.h"
#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/resource.h"

namespace mesh::api {

namespace {

using boost::json::object;

wire::Response proxy_config(const Context& context, const Call& call) {
  if (auto refused = refuse_read(context, call, kDataplaneKind)) return *refused;
  const auto allowed =
      check_access(context.settings.access.view_config_dump, call.user, "view the configuration of proxies");
  if (!allowed) return error_response(allowed.error(), "Access Denied");
  const std::string shadow = call.query("shadow");
  if (!shadow.empty() && shadow != "false") {
    return error_response(invalid("shadow", "configurations with shadow policies are not computed here"),
                          "Bad Request");
  }
  if (!call.query("include").empty()) {
    return error_response(invalid("include", "there is nothing more to include"), "Bad Request");
  }
  const std::string title = "Failed to inspect proxy config";
  const auto dataplane = context.parts.store.get({&kDataplaneKind, call.param("mesh"), call.param("name")});
  if (!dataplane) return error_response(dataplane.error(), title);
  // It exists, but was never connected: what is missing is what a connected proxy leaves behind.
  const std::string not_connected = "Failed to fetch dataplane insight";
  if (context.parts.configs == nullptr) return error_response(error(ErrorKind::NotFound, {}), not_connected);
  const auto text = context.parts.configs->config_json({call.param("mesh"), call.param("name")});
  if (!text) return error_response(text.error(), text.error().kind == ErrorKind::NotFound ? not_connected : title);
  // Already JSON, and large: it is not read again to be indented.
  wire::Response response{.status = 200, .headers = {}, .body = "{\"xds\": " + *text + "}\n"};
  response.headers.add("content-type", "application/json");
  return response;
}

// kri_<short>_<mesh>_<zone>_<namespace>_<name>_<section>
Result<ResourceKey> parse_kri(std::string_view kri, const KindRegistry& kinds) {
  std::array<std::string_view, 7> parts;
  std::string_view rest = kri;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto end = i + 1 == parts.size() ? std::string_view::npos : rest.find('_');
    if (end == std::string_view::npos && i + 1 < parts.size()) return invalid("kri", "has too few parts");
    parts[i] = rest.substr(0, end);
    if (end != std::string_view::npos) rest.remove_prefix(end + 1);
  }
  if (parts[0] != "kri" || parts[1].empty()) return invalid("kri", "must begin with kri_<kind>_");
  for (const Kind* kind : kinds.all()) {
    if (kind->short_name == parts[1]) return ResourceKey{kind, std::string(parts[2]), std::string(parts[5])};
  }
  return invalid("kri", "names a kind that does not exist here");
}

wire::Response by_kri(const Context& context, const Call& call) {
  const auto key = parse_kri(call.param("kri"), context.parts.kinds);
  if (!key) return error_response(key.error(), "Bad Request");
  const auto allowed = check_kind_access(context.settings.access, call.user, *key->kind);
  if (!allowed) return error_response(allowed.error(), "Access Denied");
  const auto resource = context.parts.store.get(*key);
  // The same name in another zone is another resource.
  if (!resource || kri_of(*resource) != call.param("kri")) {
    return error_response(resource ? error(ErrorKind::NotFound, {}) : resource.error(),
                          "Could not retrieve a resource");
  }
  return json_response(200, to_json(*resource));
}

}  // namespace

void add_inspect_routes(Router& router, const Context& context) {
  router.add("GET", "/meshes/{mesh}/dataplanes/{name}/_config",
             [&context](const Call& call) { return proxy_config(context, call); });
  router.add("GET", "/_kri/{kri}", [&context](const Call& call) { return by_kri(context, call); });
}

}  // namespace mesh::api
