// Which policies hold for which proxies: …/dataplanes/{name}/policies, and back, …/{policies}/{name}/dataplanes and
// …/_resources/dataplanes.
#include <iterator>

#include "api/context.h"
#include "api/json_text.h"
#include "api/paging.h"
#include "api/problem.h"
#include "model/dataplane.h"
#include "model/mesh.h"

namespace mesh::api {

namespace {

using boost::json::array;
using boost::json::object;

Result<std::vector<Resource>> policies_in(const Context& context, const std::string& mesh) {
  std::vector<Resource> policies;
  for (const Kind* kind : context.parts.kinds.all()) {
    if (!kind->is_policy) continue;
    MESH_TRY(Page page, context.parts.store.list({.kind = kind, .mesh = mesh}));
    std::move(page.items.begin(), page.items.end(), std::back_inserter(policies));
  }
  return policies;
}

// Kind by kind, and within a kind the one that counts more later.
wire::Response policies_of_dataplane(const Context& context, const Call& call) {
  const std::string mesh = call.param("mesh");
  if (const auto found = context.parts.store.get({&kMeshKind, {}, mesh}); !found)
    return error_response(found.error(), "Could not build MeshContext");
  if (auto refused = refuse_read(context, call, kDataplaneKind)) return *refused;
  const auto dataplane = context.parts.store.get({&kDataplaneKind, mesh, call.param("name")});
  if (!dataplane) return error_response(dataplane.error(), "Could not get MatchedPolicies");
  const auto policies = policies_in(context, mesh);
  if (!policies) return error_response(policies.error(), "Could not get MatchedPolicies");
  object matched;
  for (const Resource* policy : context.parts.policies_for(*policies, *dataplane)) {
    matched.emplace(policy->key.kind->name, array()).first->value().as_array().push_back(meta_json(*policy));
  }
  array items;
  if (!matched.empty()) items.push_back(object{{"type", "dataplane"}, {"matchedPolicies", std::move(matched)}});
  const std::size_t total = items.size();
  return json_response(200, object{{"kind", "SidecarDataplane"}, {"total", total}, {"items", std::move(items)}});
}

// The Dataplanes that a policy selects, or the response that says why there are none.
std::expected<std::vector<Resource>, wire::Response> selected_by(const Context& context, const Call& call,
                                                                 const Kind& kind) {
  if (auto refused = refuse_read(context, call, kind)) return std::unexpected(*refused);
  if (auto refused = refuse_read(context, call, kDataplaneKind)) return std::unexpected(*refused);
  const auto policy = context.parts.store.get({&kind, call.param("mesh"), call.param("name")});
  if (!policy) return std::unexpected(error_response(policy.error(), "Could not retrieve policy"));
  auto all = context.parts.store.list(
      {.kind = &kDataplaneKind, .mesh = call.param("mesh"), .name_contains = call.query("name")});
  if (!all) return std::unexpected(error_response(all.error(), "Could not retrieve resources"));
  const std::vector<Resource> policies = {*policy};
  std::erase_if(all->items,
                [&](const Resource& dataplane) { return context.parts.policies_for(policies, dataplane).empty(); });
  return std::move(all->items);
}

wire::Response dataplanes_of_policy(const Context& context, const Call& call, const Kind& kind) {
  const auto page = parse_page(call.request);
  if (!page) return bad_page_response(page.error());
  const auto selected = selected_by(context, call, kind);
  if (!selected) return selected.error();
  return json_response(200, page_of(call.request, *page, *selected));
}

// The same, in the form that older clients read.
wire::Response attachments_of_policy(const Context& context, const Call& call, const Kind& kind) {
  const auto selected = selected_by(context, call, kind);
  if (!selected) return selected.error();
  array items;
  for (const Resource& dataplane : *selected) {
    items.push_back(object{{"kind", "SidecarDataplane"},
                           {"dataplane", object{{"mesh", dataplane.key.mesh}, {"name", dataplane.key.name}}},
                           {"attachments", array{object{{"type", "dataplane"}}}}});
  }
  const std::size_t total = items.size();
  return json_response(200, object{{"total", total}, {"items", std::move(items)}});
}

}  // namespace

void add_match_routes(Router& router, const Context& context) {
  router.add("GET", "/meshes/{mesh}/dataplanes/{name}/policies",
             [&context](const Call& call) { return policies_of_dataplane(context, call); });
  for (const Kind* kind : context.parts.kinds.all()) {
    if (!kind->is_policy) continue;
    const std::string one = "/meshes/{mesh}/" + kind->path + "/{name}";
    router.add("GET", one + "/_resources/dataplanes",
               [&context, kind](const Call& call) { return dataplanes_of_policy(context, call, *kind); });
    router.add("GET", one + "/dataplanes",
               [&context, kind](const Call& call) { return attachments_of_policy(context, call, *kind); });
  }
}

}  // namespace mesh::api
