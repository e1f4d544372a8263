// Looking into services: …/meshservices/{name}/_hostnames, …/_resources/dataplanes,
// …/service-insights/{name}/_hostnames.
#include <map>
#include <set>

#include "api/context.h"
#include "api/json_text.h"
#include "api/paging.h"
#include "api/problem.h"
#include "model/address_block.h"
#include "model/mesh.h"
#include "model/service.h"

namespace mesh::api {

namespace {

using boost::json::array;
using boost::json::object;

// The names that lead to a service, each with the zones where it does.
wire::Response hostnames(const Context& context, const Call& call, const Kind& kind) {
  if (auto refused = refuse_read(context, call, kind)) return *refused;
  const auto service = context.parts.store.get({&kind, call.param("mesh"), call.param("name")});
  if (!service) return error_response(service.error(), "Could not retrieve a resource");
  const auto label = service->labels.find("kuma.io/zone");
  const std::string zone = label == service->labels.end() ? context.settings.zone : label->second;
  array items;
  for (const ServiceHostname& each : hostnames_of(*service))
    items.push_back(object{{"hostname", each.hostname}, {"zones", array{object{{"name", zone}}}}});
  const std::size_t total = items.size();
  return json_response(200, object{{"items", std::move(items)}, {"total", total}});
}

wire::Response dataplanes(const Context& context, const Call& call) {
  const auto page = parse_page(call.request);
  if (!page) return bad_page_response(page.error());
  if (auto refused = refuse_read(context, call, kMeshServiceKind)) return *refused;
  const auto service = context.parts.store.get({&kMeshServiceKind, call.param("mesh"), call.param("name")});
  if (!service) return error_response(service.error(), "Could not retrieve a resource");
  auto all = context.parts.store.list({.kind = &kDataplaneKind, .mesh = call.param("mesh")});
  if (!all) return error_response(all.error(), "Could not retrieve resources");
  const ServiceSelector& selector = service->spec_as<MeshService>().selector;
  std::erase_if(all->items, [&](const Resource& dataplane) { return !selector.selects(dataplane); });
  return json_response(200, page_of(call.request, *page, all->items));
}

// The address of a value of kuma.io/service, and what became of the names that lead there in a DNS service.
wire::Response names_by_tag(const Context& context, const Call& call) {
  if (auto refused = refuse_read(context, call, kMeshServiceKind)) return *refused;
  const auto mesh = context.parts.store.get({&kMeshKind, {}, call.param("mesh")});
  if (!mesh) return error_response(mesh.error(), "Failed to retrieve Mesh");
  const auto blocks = context.parts.store.list({.kind = &kAddressBlockKind});
  if (!blocks) return error_response(blocks.error(), "Could not retrieve resources");
  array items;
  for (const Resource& block : blocks->items) {
    for (const auto& [address, entry] : block.spec_as<AddressBlock>().addresses) {
      if (entry.freed || service_of_owner(entry.owner) != call.param("name")) continue;
      array conditions;
      if (entry.published) conditions.push_back(print_as(*entry.published, Dialect::Spec));
      items.push_back(object{{"address", address}, {"conditions", std::move(conditions)}});
    }
  }
  const std::size_t total = items.size();
  return json_response(200, object{{"items", std::move(items)}, {"total", total}});
}

}  // namespace

void add_service_routes(Router& router, const Context& context) {
  for (const Kind* kind : {&kMeshServiceKind, &kMeshExternalServiceKind, &kMeshMultiZoneServiceKind})
    router.add("GET", "/meshes/{mesh}/" + kind->path + "/{name}/_hostnames",
               [&context, kind](const Call& call) { return hostnames(context, call, *kind); });
  router.add("GET", "/meshes/{mesh}/meshservices/{name}/_resources/dataplanes",
             [&context](const Call& call) { return dataplanes(context, call); });
  router.add("GET", "/meshes/{mesh}/service-insights/{name}/_hostnames",
             [&context](const Call& call) { return names_by_tag(context, call); });
}

}  // namespace mesh::api
