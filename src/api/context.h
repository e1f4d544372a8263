// What every family of routes works on, and the functions that add the families to the router.
#pragma once

#include <optional>

#include "api/api_server.h"
#include "api/paging.h"
#include "api/router.h"

namespace mesh::api {

struct Context {
  ApiParts parts;
  ApiSettings settings;
};

// `context` must outlive the router.
void add_about_routes(Router& router, const Context& context);     // /, /config, /who-am-i, /policies, /_resources
void add_resource_routes(Router& router, const Context& context);  // every kind: list, get, put, delete
void add_overview_routes(Router& router, const Context& context);  // …/_overview
void add_insight_routes(Router& router, const Context& context);   // /mesh-insights, /service-insights, /global-insight
void add_inspect_routes(Router& router, const Context& context);   // …/dataplanes/{name}/_config, /_kri/{kri}
void add_match_routes(Router& router, const Context& context);     // …/dataplanes/{name}/policies
void add_service_routes(Router& router, const Context& context);   // …/meshservices/{name}/_hostnames
void add_token_routes(Router& router, const Context& context);     // /tokens/…

// Shared by the families.

// All paths under which a kind is listed: "/meshes/{mesh}/dataplanes", "/dataplanes", also by its other names.
struct KindPaths {
  std::vector<std::string> lists;  // the items of those with a mesh, or of a global kind, are at <list>/{name}
  std::vector<std::string> items;
};
KindPaths paths_of(const Kind& kind);

// The mesh that the path names is there, and the user may read the kind. Nothing: go on.
std::optional<wire::Response> refuse_read(const Context& context, const Call& call, const Kind& kind);

// 405 with the reason why this kind cannot be written here.
wire::Response refuse_write(const Context& context, std::string_view kind);

// Resources of a kind that the query asks for, and how many there are in all.
struct Listing {
  std::vector<Resource> items;
  std::size_t total = 0;
};
Result<Listing> list_resources(const Context& context, const Call& call, const Kind& kind, const PageRequest& page);

}  // namespace mesh::api
