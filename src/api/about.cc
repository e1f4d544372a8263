// What this control plane is, what it knows, and who is asking.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>

#include "api/context.h"
#include "api/json_text.h"
#include "api/problem.h"

namespace mesh::api {

namespace {

using boost::json::array;
using boost::json::object;

wire::Response index(const Context& context) {
  const ApiSettings& settings = context.settings;
  object body{{"basedOnKuma", settings.based_on_kuma},
              {"clusterId", context.parts.store.id()},
              {"gui", settings.gui_path},
              {"hostname", settings.hostname},
              {"instanceId", settings.instance_id},
              {"product", settings.product},
              {"version", settings.version}};
  if (!settings.tagline.empty()) body["tagline"] = settings.tagline;
  return json_response(200, body);
}

wire::Response config(const Context& context, const Call& call) {
  const auto allowed = check_access(context.settings.access.control_plane_metadata, call.user, "view the settings");
  if (!allowed) return error_response(allowed.error(), "Access denied");
  wire::Response response{
      .status = 200, .headers = {}, .body = context.settings.config_json ? context.settings.config_json() : "{}"};
  response.headers.add("content-type", "application/json");
  return response;
}

wire::Response who_am_i(const Call& call) {
  return json_response(
      200, object{{"name", call.user.name}, {"groups", array(call.user.groups.begin(), call.user.groups.end())}});
}

object policy_json(const Kind& kind, bool read_only) {
  return {{"name", kind.name},
          {"readOnly", read_only || kind.read_only},
          {"path", kind.path},
          {"singularDisplayName", kind.singular},
          {"pluralDisplayName", kind.plural},
          {"isExperimental", false},
          {"isTargetRefBased", kind.policy.is_target_ref},
          {"isInbound", kind.policy.has_from},
          {"isOutbound", kind.policy.has_to}};
}

object resource_type_json(const Kind& kind, bool read_only) {
  object out{{"includeInFederation", kind.include_in_federation},
             {"name", kind.name},
             {"path", kind.path},
             {"pluralDisplayName", kind.plural}};
  if (kind.is_policy) {
    out["policy"] = object{{"hasFromTargetRef", kind.policy.has_from},
                           {"hasRulesTargetRef", kind.policy.has_rules},
                           {"hasToTargetRef", kind.policy.has_to},
                           {"isFromAsRules", kind.policy.from_as_rules},
                           {"isTargetRef", kind.policy.is_target_ref}};
  }
  out["readOnly"] = read_only || kind.read_only;
  out["scope"] = kind.scope == Scope::Mesh ? "Mesh" : "Global";
  out["shortName"] = kind.short_name;
  out["singularDisplayName"] = kind.singular;
  return out;
}

wire::Response policies(const Context& context) {
  array list;
  for (const Kind* kind : context.parts.kinds.all()) {
    if (kind->is_policy) list.push_back(policy_json(*kind, context.settings.read_only));
  }
  return json_response(200, object{{"policies", std::move(list)}});
}

// Kinds that are computed when somebody asks, and so are not in the registry.
std::vector<Kind> computed_kinds() {
  Kind meshes{.name = "MeshInsight",
              .path = "mesh-insights",
              .short_name = {},
              .singular = "Mesh Insight",
              .plural = "Mesh Insights"};
  meshes.scope = Scope::Global;
  Kind services{.name = "ServiceInsight",
                .path = "service-insights",
                .short_name = {},
                .singular = "Service Insight",
                .plural = "Service Insights"};
  for (Kind* kind : {&meshes, &services}) {
    kind->read_only = true;
    kind->include_in_federation = false;
  }
  return {meshes, services};
}

wire::Response resource_types(const Context& context) {
  std::vector<Kind> computed = computed_kinds();
  std::vector<const Kind*> kinds(context.parts.kinds.all().begin(), context.parts.kinds.all().end());
  for (const auto& kind : computed) {
    if (context.parts.kinds.find_by_name(kind.name) == nullptr) kinds.push_back(&kind);
  }
  std::ranges::sort(kinds, {}, &Kind::name);
  array list;
  for (const Kind* kind : kinds) list.push_back(resource_type_json(*kind, context.settings.read_only));
  return json_response(200, object{{"resources", std::move(list)}});
}

}  // namespace

void add_about_routes(Router& router, const Context& context) {
  router.add("GET", "/", [&context](const Call&) { return index(context); });
  router.add("GET", "/config", [&context](const Call& call) { return config(context, call); });
  router.add("GET", "/who-am-i", [](const Call& call) { return who_am_i(call); });
  router.add("GET", "/policies", [&context](const Call&) { return policies(context); });
  router.add("GET", "/_resources", [&context](const Call&) { return resource_types(context); });
}

}  // namespace mesh::api
