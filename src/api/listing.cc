// Which resources a list request asks for.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "api/context.h"
#include "api/paging.h"
#include "api/problem.h"
#include "model/dataplane.h"

namespace mesh::api {

namespace {

using Filter = std::function<bool(const Resource&)>;

// filter[labels.<key>]=<value>. Other filters do not exist.
Result<Labels> label_filter(const Call& call) {
  constexpr std::string_view kFilter = "filter[";
  constexpr std::string_view kLabels = "filter[labels.";
  Labels labels;
  std::vector<Violation> violations;
  for (const auto& [key, value] : call.request.query) {
    if (!key.starts_with(kFilter)) continue;
    if (!key.starts_with(kLabels) || key.find(']') != key.size() - 1) {
      violations.push_back(
          {fmt::format("{}.{}", call.pattern, key), "only filter[labels.<label>]=<value> is a filter"});
      continue;
    }
    labels[key.substr(kLabels.size(), key.size() - kLabels.size() - 1)] = value;
  }
  if (!violations.empty()) return Error{ErrorKind::Invalid, {}, {}, std::move(violations)};
  return labels;
}

// tag=key:value, several must all hold on one inbound or on the gateway; a value matches when it is part of the tag's.
Tags tag_filter(const wire::Request& request) {
  Tags tags;
  for (const auto& [key, value] : request.query) {
    const auto colon = value.find(':');
    if (key == "tag" && colon != std::string::npos) tags[value.substr(0, colon)] = value.substr(colon + 1);
  }
  return tags;
}

bool match(const Tags& wanted, const Tags& tags) {
  return std::ranges::all_of(wanted, [&](const auto& entry) {
    const auto found = tags.find(entry.first);
    return found != tags.end() && (entry.second == "*" || found->second.contains(entry.second));
  });
}

bool has_tags(const Dataplane& dataplane, const Tags& wanted) {
  const auto& networking = dataplane.networking;
  if (std::ranges::any_of(networking.inbound, [&](const auto& inbound) { return match(wanted, inbound.tags); }))
    return true;
  return match(wanted, networking.gateway ? networking.gateway->tags : Tags{});
}

Result<Filter> dataplane_filter(const Call& call) {
  std::string mode = call.query("gateway");
  std::ranges::transform(mode, mode.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  Filter by_gateway;
  if (mode == "true") {
    by_gateway = [](const Resource& r) { return r.spec_as<Dataplane>().networking.gateway.has_value(); };
  } else if (mode == "false") {
    by_gateway = [](const Resource& r) { return !r.spec_as<Dataplane>().networking.gateway; };
  } else if (mode == "builtin" || mode == "delegated") {
    const auto type = mode == "builtin" ? GatewayType::BUILTIN : GatewayType::DELEGATED;
    by_gateway = [type](const Resource& r) {
      const auto& gateway = r.spec_as<Dataplane>().networking.gateway;
      return gateway && gateway->type == type;
    };
  } else if (!mode.empty()) {
    return Error{ErrorKind::Invalid,
                 {},
                 {},
                 {{fmt::format("{}.gateway", call.pattern),
                   fmt::format("is \"{}\"; may be true, false, builtin or delegated", mode)}}};
  }
  Tags tags = tag_filter(call.request);
  if (!by_gateway && tags.empty()) return Filter{};
  return Filter{[by_gateway = std::move(by_gateway), tags = std::move(tags)](const Resource& resource) {
    return (!by_gateway || by_gateway(resource)) && (tags.empty() || has_tags(resource.spec_as<Dataplane>(), tags));
  }};
}

}  // namespace

KindPaths paths_of(const Kind& kind) {
  std::vector<std::string> names = kind.path_aliases;
  names.insert(names.begin(), kind.path);
  KindPaths paths;
  for (const auto& name : names) {
    paths.lists.push_back("/" + name);
    if (kind.scope == Scope::Mesh) paths.lists.push_back("/meshes/{mesh}/" + name);
    paths.items.push_back((kind.scope == Scope::Mesh ? "/meshes/{mesh}/" : "/") + name + "/{name}");
  }
  return paths;
}

std::optional<wire::Response> refuse_read(const Context& context, const Call& call, const Kind& kind) {
  if (const Kind* meshes = context.parts.kinds.find_by_name("Mesh"); meshes != nullptr && !call.param("mesh").empty()) {
    const auto mesh = context.parts.store.get({meshes, {}, call.param("mesh")});
    if (!mesh) return error_response(mesh.error(), "Failed to retrieve Mesh");
  }
  const auto allowed = check_kind_access(context.settings.access, call.user, kind);
  if (!allowed) return error_response(allowed.error(), "Access Denied");
  return std::nullopt;
}

Result<Listing> list_resources(const Context& context, const Call& call, const Kind& kind, const PageRequest& page) {
  Query query{.kind = &kind, .mesh = call.param("mesh"), .name_contains = call.query("name"), .labels = {}};
  MESH_TRY(query.labels, label_filter(call));
  Filter filter;
  if (&kind == &kDataplaneKind) {
    MESH_TRY(filter, dataplane_filter(call));
  }
  if (!filter) {  // the store can page by itself
    query.offset = page.offset;
    query.size = page.size;
    MESH_TRY(Page found, context.parts.store.list(query));
    return Listing{std::move(found.items), found.total};
  }
  MESH_TRY(Page found, context.parts.store.list(query));
  Listing listing;
  for (auto& resource : found.items) {
    if (!filter(resource)) continue;
    ++listing.total;
    if (listing.total > page.offset && listing.items.size() < page.size) listing.items.push_back(std::move(resource));
  }
  return listing;
}

}  // namespace mesh::api
