// A resource and what is known of its running counterpart, side by side: …/dataplanes/_overview, /zones/_overview.
#include "api/context.h"
#include "api/json_text.h"
#include "api/paging.h"
#include "api/problem.h"
#include "model/resource.h"

namespace mesh::api {

namespace {

using boost::json::object;

// A kind with an insight kind of its own, and where their overview is found.
struct Overview {
  const char* kind;         // "Dataplane"
  const char* insight;      // "DataplaneInsight"
  const char* kind_key;     // "dataplane"
  const char* insight_key;  // "dataplaneInsight"
  const char* old_path;     // before `_overview`
};
constexpr Overview kOverviews[] = {
    {"Dataplane", "DataplaneInsight", "dataplane", "dataplaneInsight", "dataplanes+insights"},
    {"Zone", "ZoneInsight", "zone", "zoneInsight", "zones+insights"},
    {"ZoneIngress", "ZoneIngressInsight", "zoneIngress", "zoneIngressInsight", "zoneingresses+insights"},
    {"ZoneEgress", "ZoneEgressInsight", "zoneEgress", "zoneEgressInsight", "zoneegressoverviews"},
};

struct Kinds {
  const Overview* overview;
  const Kind* kind;
  const Kind* insight;
};

bool is_meta(std::string_view key) {
  return key == "type" || key == "mesh" || key == "name" || key == "creationTime" || key == "modificationTime" ||
         key == "labels" || key == "kri";
}

// In a list the insight is left out where there is none.
object overview_json(const Context& context, const Kinds& kinds, const Resource& resource, bool is_in_list) {
  object out;
  object spec;
  for (const auto& [key, value] : to_json(resource)) (is_meta(key) ? out : spec)[key] = value;
  out["type"] = std::string(kinds.overview->kind) + "Overview";
  out[kinds.overview->kind_key] = std::move(spec);
  if (!is_in_list) out[kinds.overview->insight_key].emplace_object();
  if (const auto found = context.parts.store.get({kinds.insight, resource.key.mesh, resource.key.name})) {
    object& insight = out[kinds.overview->insight_key].emplace_object();
    for (const auto& [key, value] : to_json(*found)) {
      if (!is_meta(key)) insight[key] = value;
    }
  }
  return out;
}

wire::Response list(const Context& context, const Call& call, const Kinds& kinds) {
  const auto page = parse_page(call.request);
  if (!page) return bad_page_response(page.error());
  if (auto refused = refuse_read(context, call, *kinds.kind)) return *refused;
  const auto found = list_resources(context, call, *kinds.kind, *page);
  if (!found) return error_response(found.error(), "Could not retrieve resources");
  boost::json::array items;
  for (const auto& resource : found->items) items.push_back(overview_json(context, kinds, resource, true));
  return json_response(200, page_json(call.request, *page, found->total, std::move(items)));
}

wire::Response get(const Context& context, const Call& call, const Kinds& kinds) {
  if (auto refused = refuse_read(context, call, *kinds.kind)) return *refused;
  const auto resource = context.parts.store.get({kinds.kind, call.param("mesh"), call.param("name")});
  if (!resource) return error_response(resource.error(), "Could not retrieve a resource");
  return json_response(200, overview_json(context, kinds, *resource, false));
}

}  // namespace

void add_overview_routes(Router& router, const Context& context) {
  for (const auto& overview : kOverviews) {
    const Kinds kinds{&overview, context.parts.kinds.find_by_name(overview.kind),
                      context.parts.kinds.find_by_name(overview.insight)};
    if (kinds.kind == nullptr || kinds.insight == nullptr) continue;
    const Answer list_answer = [&context, kinds](const Call& call) { return list(context, call, kinds); };
    const Answer get_answer = [&context, kinds](const Call& call) { return get(context, call, kinds); };
    const KindPaths paths = paths_of(*kinds.kind);
    for (const auto& path : paths.lists) router.add("GET", path + "/_overview", list_answer);
    for (const auto& path : paths.items) router.add("GET", path + "/_overview", get_answer);
    Kind old = *kinds.kind;
    old.path = overview.old_path;
    old.path_aliases.clear();
    for (const auto& path : paths_of(old).lists) router.add("GET", path, list_answer);
    for (const auto& path : paths_of(old).items) router.add("GET", path, get_answer);
  }
}

}  // namespace mesh::api
