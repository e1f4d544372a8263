// The routes that every kind has: list, get, put, delete.
#include <fmt/format.h>

#include <algorithm>

#include "api/context.h"
#include "api/json_text.h"
#include "api/paging.h"
#include "api/problem.h"
#include "model/dataplane.h"
#include "model/resource.h"

namespace mesh::api {

namespace {

using boost::json::object;
using boost::json::value;

ResourceKey key_of(const Call& call, const Kind& kind) {
  return {&kind, kind.scope == Scope::Mesh ? call.param("mesh") : std::string(), call.param("name")};
}

std::string_view text_at(const object& document, std::string_view key) {
  const value* found = document.if_contains(key);
  return found != nullptr && found->is_string() ? std::string_view(found->get_string()) : std::string_view();
}

// The document says again what the URL says; they must agree.
std::vector<Violation> compare_with_url(const object& document, const ResourceKey& key) {
  std::vector<Violation> violations;
  const auto compare = [&](const char* field, const std::string& wanted) {
    if (text_at(document, field) == wanted) return;
    violations.push_back({field, fmt::format("is \"{}\" in the body and \"{}\" in the URL; they must be the same",
                                             text_at(document, field), wanted)});
  };
  compare("name", key.name);
  compare("type", key.kind->name);
  if (key.kind->scope == Scope::Mesh) compare("mesh", key.mesh);
  return violations;
}

// Everything that can be said of the body without the store.
Result<Resource> read_body(const Call& call, const ResourceKey& key, const KindRegistry& kinds) {
  auto body = parse_json(call.request.body);
  if (!body || !body->is_object()) {
    const std::string why = body ? "the body must be a JSON object" : body.error().text;
    return invalid({}, fmt::format("invalid {} object: {}", key.kind->name, why));
  }
  object& document = body->get_object();
  std::vector<Violation> violations = compare_with_url(document, key);
  document["type"] = key.kind->name;  // so that the rest is read as what the URL says, and all its faults are named
  auto parsed = parse_document(*body, kinds);
  if (!parsed) return parsed.error();
  for (auto& violation : parsed->violations) {
    const bool is_known = std::ranges::any_of(violations, [&](const auto& v) { return v.field == violation.field; });
    if (!is_known) violations.push_back(std::move(violation));
  }
  if (!violations.empty()) return Error{ErrorKind::Invalid, {}, {}, std::move(violations)};
  parsed->resource.key = key;
  return std::move(parsed->resource);
}

wire::Response put(const Context& context, const Call& call, const Kind& kind) {
  if (!is_json(call.request)) return text_response(415, "415: Unsupported Media Type");
  const ResourceKey key = key_of(call, kind);
  if (kind.scope == Scope::Mesh && context.parts.kinds.find_by_name("Mesh") != nullptr) {
    const auto mesh = context.parts.store.get({context.parts.kinds.find_by_name("Mesh"), {}, key.mesh});
    if (!mesh) return error_response(mesh.error(), "Failed to retrieve Mesh");
  }
  auto draft = read_body(call, key, context.parts.kinds);
  if (!draft) return error_response(draft.error(), "Could not process a resource");
  auto outcome = context.parts.admission.put(std::move(*draft), {call.user, Via::Api});
  if (!outcome) return error_response(outcome.error(), "Could not process a resource");
  object body;
  if (!outcome->warnings.empty())
    body["warnings"] = boost::json::array(outcome->warnings.begin(), outcome->warnings.end());
  return json_response(outcome->created ? 201 : 200, body);
}

wire::Response remove(const Context& context, const Call& call, const Kind& kind) {
  const ResourceKey key = key_of(call, kind);
  const auto removed = context.parts.admission.remove(key, {call.user, Via::Api});
  if (!removed) return error_response(removed.error(), "Could not delete a resource");
  return json_response(200, object{});
}

// Documents come in one format; asking for another one is a mistake that is better named.
Status check_format(const Call& call) {
  const std::string format = call.query("format");
  if (format.empty() || format == "universal") return {};
  return Error{ErrorKind::Invalid, {}, {}, {{"format", fmt::format("is \"{}\"; may be universal", format)}}};
}

wire::Response get(const Context& context, const Call& call, const Kind& kind) {
  if (auto refused = refuse_read(context, call, kind)) return *refused;
  if (const auto format = check_format(call); !format)
    return error_response(format.error(), "Could not retrieve a resource");
  const auto resource = context.parts.store.get(key_of(call, kind));
  if (!resource) return error_response(resource.error(), "Could not retrieve a resource");
  return json_response(200, to_json(*resource));
}

wire::Response list(const Context& context, const Call& call, const Kind& kind) {
  const auto page = parse_page(call.request);
  if (!page) return bad_page_response(page.error());
  if (auto refused = refuse_read(context, call, kind)) return *refused;
  const auto found = list_resources(context, call, kind, *page);
  if (!found) return error_response(found.error(), "Could not retrieve resources");
  boost::json::array items;
  for (const auto& resource : found->items) items.push_back(to_json(resource));
  return json_response(200, page_json(call.request, *page, found->total, std::move(items)));
}

}  // namespace

wire::Response refuse_write(const Context& context, std::string_view kind) {
  return problem_response({405,
                           "Method not allowed",
                           context.settings.read_only ? "This control plane does not accept changes over its API"
                                                      : fmt::format("{} is written by the control plane only", kind),
                           {}});
}

void add_resource_routes(Router& router, const Context& context) {
  for (const Kind* kind : context.parts.kinds.all()) {
    const KindPaths paths = paths_of(*kind);
    for (const auto& path : paths.lists) {
      router.add("GET", path, [&context, kind](const Call& call) { return list(context, call, *kind); });
    }
    const bool may_write = !context.settings.read_only && !kind->read_only;
    for (const auto& path : paths.items) {
      router.add("GET", path, [&context, kind](const Call& call) { return get(context, call, *kind); });
      router.add("PUT", path, [&context, kind, may_write](const Call& call) {
        return may_write ? put(context, call, *kind) : refuse_write(context, kind->name);
      });
      router.add("DELETE", path, [&context, kind, may_write](const Call& call) {
        return may_write ? remove(context, call, *kind) : refuse_write(context, kind->name);
      });
    }
  }
}

}  // namespace mesh::api
