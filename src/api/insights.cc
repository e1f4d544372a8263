// What is going on: /mesh-insights, /service-insights, /global-insight, /global-insights.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "api/context.h"
#include "api/json_text.h"
#include "api/mesh_facts.h"
#include "api/paging.h"
#include "api/problem.h"
#include "model/insight.h"
#include "model/mesh.h"
#include "model/proxy.h"

namespace mesh::api {

namespace {

using boost::json::array;
using boost::json::object;

// Zeros are left out.
object count_json(const ProxyCount& count) {
  object out;
  const auto put = [&](const char* key, std::uint32_t number) {
    if (number > 0) out[key] = number;
  };
  put("total", count.total());
  put("online", count.online);
  put("offline", count.offline);
  put("partiallyDegraded", count.partially_degraded);
  return out;
}

object counts_json(const std::map<std::string, ProxyCount>& counts) {
  object out;
  for (const auto& [name, count] : counts) out[name] = count_json(count);
  return out;
}

object totals_json(const std::map<std::string, std::size_t>& totals) {
  object out;
  for (const auto& [name, total] : totals) out[name] = object{{"total", total}};
  return out;
}

object mesh_insight_json(const MeshFacts& facts) {
  ProxyCount gateways = facts.gateway_builtin;
  gateways += facts.gateway_delegated;
  ProxyCount all = facts.standard;
  all += gateways;
  object versions;
  if (all.total() > 0)
    versions = {{"kumaDp", counts_json(facts.sidecar_versions)}, {"envoy", counts_json(facts.envoy_versions)}};
  object mtls;
  if (!facts.issued_backends.empty()) mtls["issuedBackends"] = counts_json(facts.issued_backends);
  if (!facts.supported_backends.empty()) mtls["supportedBackends"] = counts_json(facts.supported_backends);
  object services;
  if (!facts.services.empty()) services = {{"total", facts.services.size()}, {"internal", facts.services.size()}};
  object out{{"type", "MeshInsight"},
             {"name", facts.mesh.key.name},
             {"creationTime", format_time(facts.mesh.created)},
             {"modificationTime", format_time(facts.modified)},
             {"dataplanes", count_json(all)}};
  if (!facts.policies.empty()) out["policies"] = totals_json(facts.policies);
  out["dpVersions"] = std::move(versions);
  out["mTLS"] = std::move(mtls);
  out["services"] = std::move(services);
  out["dataplanesByType"] = object{{"standard", count_json(facts.standard)},
                                   {"gateway", count_json(gateways)},
                                   {"gatewayBuiltin", count_json(facts.gateway_builtin)},
                                   {"gatewayDelegated", count_json(facts.gateway_delegated)}};
  if (!facts.resources.empty()) out["resources"] = totals_json(facts.resources);
  return out;
}

const char* type_name(ServiceType type) {
  switch (type) {
    case ServiceType::Internal: return "internal";
    case ServiceType::GatewayBuiltin: return "gateway_builtin";
    case ServiceType::GatewayDelegated: return "gateway_delegated";
  }
  return "";
}

object service_insight_json(const Context& context, const MeshFacts& facts, const std::string& name,
                            const ServiceFacts& service) {
  object out{{"type", "ServiceInsight"},
             {"mesh", facts.mesh.key.name},
             {"name", name},
             {"creationTime", format_time(facts.mesh.created)},
             {"modificationTime", format_time(facts.modified)}};
  if (service.proxies.total() > 0) out["status"] = service.status();
  out["dataplanes"] = count_json(service.proxies);
  if (!service.issued_backends.empty()) {
    object& backends = out["issuedBackends"].emplace_object();
    for (const auto& [backend, count] : service.issued_backends) backends[backend] = count;
  }
  if (service.type != ServiceType::Internal) out["serviceType"] = type_name(service.type);
  if (service.type == ServiceType::Internal) {
    out["addressPort"] = fmt::format("{}.{}:{}", name, context.settings.dns_domain, context.settings.service_vip_port);
  }
  if (!service.zones.empty()) out["zones"] = array(service.zones.begin(), service.zones.end());
  return out;
}

Result<MeshFacts> facts_of(const Context& context, const std::string& mesh) {
  return gather_mesh_facts(context.parts.store, context.parts.kinds, mesh);
}

// Names of the meshes whose name contains the text, in order.
Result<std::vector<std::string>> mesh_names(const Context& context, const std::string& contains = {}) {
  MESH_TRY(const Page page,
           context.parts.store.list({.kind = &kMeshKind, .mesh = {}, .name_contains = contains, .labels = {}}));
  std::vector<std::string> names;
  for (const auto& mesh : page.items) names.push_back(mesh.key.name);
  return names;
}

template <class T>
std::span<const T> page_of(const std::vector<T>& all, const PageRequest& page) {
  const std::size_t from = std::min(page.offset, all.size());
  return std::span(all).subspan(from, std::min(page.size, all.size() - from));
}

wire::Response list_mesh_insights(const Context& context, const Call& call) {
  const auto page = parse_page(call.request);
  if (!page) return bad_page_response(page.error());
  const auto names = mesh_names(context, call.query("name"));
  if (!names) return error_response(names.error(), "Could not retrieve resources");
  array items;
  for (const auto& name : page_of(*names, *page)) {
    const auto facts = facts_of(context, name);
    if (facts) items.push_back(mesh_insight_json(*facts));  // else it was deleted in this moment
  }
  return json_response(200, page_json(call.request, *page, names->size(), std::move(items)));
}

wire::Response get_mesh_insight(const Context& context, const Call& call) {
  const auto facts = facts_of(context, call.param("name"));
  return facts ? json_response(200, mesh_insight_json(*facts))
               : error_response(facts.error(), "Could not retrieve a resource");
}

// type=internal,gateway_delegated: only services of these types.
Result<std::vector<std::string>> wanted_types(const Call& call) {
  static const std::vector<std::string> known{"internal", "external", "gateway_builtin", "gateway_delegated"};
  std::vector<std::string> types;
  std::string rest = call.query("type");
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    std::string type = rest.substr(0, comma);
    rest = comma == std::string::npos ? std::string() : rest.substr(comma + 1);
    std::erase(type, ' ');
    std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (std::ranges::find(known, type) == known.end()) {
      return invalid("type",
                     fmt::format("is \"{}\"; may be internal, external, gateway_builtin or gateway_delegated", type));
    }
    types.push_back(std::move(type));
  }
  return types;
}

wire::Response list_service_insights(const Context& context, const Call& call) {
  const auto page = parse_page(call.request);
  if (!page) return bad_page_response(page.error());
  const auto types = wanted_types(call);
  if (!types) return error_response(types.error(), "Invalid response type");
  std::vector<std::string> meshes{call.param("mesh")};
  if (meshes.front().empty()) {
    auto all = mesh_names(context);
    if (!all) return error_response(all.error(), "Could not retrieve resources");
    meshes = std::move(*all);
  }
  std::vector<object> services;
  for (const auto& mesh : meshes) {
    const auto facts = facts_of(context, mesh);
    if (!facts) return error_response(facts.error(), "Failed to retrieve Mesh");
    for (const auto& [name, service] : facts->services) {
      const bool is_wanted = types->empty() || std::ranges::find(*types, type_name(service.type)) != types->end();
      if (is_wanted && name.contains(call.query("name")))
        services.push_back(service_insight_json(context, *facts, name, service));
    }
  }
  array items;
  for (const auto& service : page_of(services, *page)) items.push_back(service);
  return json_response(200, page_json(call.request, *page, services.size(), std::move(items)));
}

wire::Response get_service_insight(const Context& context, const Call& call) {
  const auto facts = facts_of(context, call.param("mesh"));
  if (!facts) return error_response(facts.error(), "Failed to retrieve Mesh");
  if (facts->services.empty()) return error_response(error(ErrorKind::NotFound, {}), "Could not retrieve a resource");
  const auto found = facts->services.find(call.param("name"));
  const ServiceFacts service = found == facts->services.end() ? ServiceFacts{} : found->second;
  return json_response(200, service_insight_json(context, *facts, call.param("name"), service));
}

object full_count_json(const ProxyCount& count) {
  return {{"offline", count.offline},
          {"online", count.online},
          {"partiallyDegraded", count.partially_degraded},
          {"total", count.total()}};
}

void add_service_state(ProxyCount& count, const ServiceFacts& service) {
  const std::string_view status = service.status();
  count.add(status == "online" ? ProxyState::Online
                               : (status == "offline" ? ProxyState::Offline : ProxyState::PartiallyDegraded));
}

// Totals over all meshes.
struct GlobalFacts {
  ProxyCount standard, gateway_builtin, gateway_delegated;
  std::map<ServiceType, ProxyCount> services;
  std::map<std::string, std::size_t> resources;
  std::size_t policies = 0;

  void add(const MeshFacts& facts) {
    standard += facts.standard;
    gateway_builtin += facts.gateway_builtin;
    gateway_delegated += facts.gateway_delegated;
    for (const auto& [name, service] : facts.services) add_service_state(services[service.type], service);
    for (const auto& [kind, total] : facts.resources) resources[kind] += total;
    for (const auto& [kind, total] : facts.policies) policies += total;
  }
};

Result<object> zone_proxy_counts(const Context& context, ProxyRole role) {
  MESH_TRY(
      const Page resources,
      context.parts.store.list({.kind = &proxy_kind(role), .mesh = {}, .name_contains = {}, .labels = {}, .size = 1}));
  MESH_TRY(const Page insights,
           context.parts.store.list({.kind = &insight_kind(role), .mesh = {}, .name_contains = {}, .labels = {}}));
  const auto online = std::ranges::count_if(
      insights.items, [](const Resource& insight) { return insight.spec_as<DataplaneInsight>().is_online(); });
  return object{{"online", online}, {"total", resources.total}};
}

wire::Response global_insight(const Context& context) {
  const auto names = mesh_names(context);
  if (!names) return error_response(names.error(), "Could not retrieve GlobalInsight");
  GlobalFacts facts;
  for (const auto& name : *names) {
    if (const auto of_mesh = facts_of(context, name)) facts.add(*of_mesh);
  }
  const object none{{"online", 0}, {"total", 0}};
  const auto ingresses = zone_proxy_counts(context, ProxyRole::Ingress),
             egresses = zone_proxy_counts(context, ProxyRole::Egress);
  if (!ingresses || !egresses)
    return error_response((ingresses ? egresses : ingresses).error(), "Could not retrieve GlobalInsight");
  return json_response(
      200,
      object{{"createdAt", format_time(context.parts.clock.now())},
             {"dataplanes", object{{"gatewayBuiltin", full_count_json(facts.gateway_builtin)},
                                   {"gatewayDelegated", full_count_json(facts.gateway_delegated)},
                                   {"standard", full_count_json(facts.standard)}}},
             {"meshes", object{{"total", names->size()}}},
             {"policies", object{{"total", facts.policies}}},
             {"resources", totals_json(facts.resources)},
             {"services", object{{"external", object{{"total", 0}}},
                                 {"gatewayBuiltin", full_count_json(facts.services[ServiceType::GatewayBuiltin])},
                                 {"gatewayDelegated", full_count_json(facts.services[ServiceType::GatewayDelegated])},
                                 {"internal", full_count_json(facts.services[ServiceType::Internal])}}},
             {"zones", object{{"controlPlanes", none}, {"zoneEgresses", *egresses}, {"zoneIngresses", *ingresses}}}});
}

wire::Response global_insights(const Context& context) {
  std::map<std::string, std::size_t> totals;
  for (const Kind* kind : context.parts.kinds.all()) {
    if (kind->scope != Scope::Global || kind->name.ends_with("Insight")) continue;
    const auto page =
        context.parts.store.list({.kind = kind, .mesh = {}, .name_contains = {}, .labels = {}, .size = 1});
    if (!page) return error_response(page.error(), "Could not retrieve global insights");
    totals[kind->name] = page->total;
  }
  return json_response(200, object{{"type", "GlobalInsights"},
                                   {"creationTime", format_time(context.parts.clock.now())},
                                   {"resources", totals_json(totals)}});
}

}  // namespace

void add_insight_routes(Router& router, const Context& context) {
  const Answer list_services = [&context](const Call& call) { return list_service_insights(context, call); };
  router.add("GET", "/mesh-insights", [&context](const Call& call) { return list_mesh_insights(context, call); });
  router.add("GET", "/mesh-insights/{name}", [&context](const Call& call) { return get_mesh_insight(context, call); });
  router.add("GET", "/service-insights", list_services);
  router.add("GET", "/meshes/{mesh}/service-insights", list_services);
  router.add("GET", "/meshes/{mesh}/service-insights/{name}",
             [&context](const Call& call) { return get_service_insight(context, call); });
  for (const char* method : {"PUT", "DELETE"}) {
    router.add(method, "/mesh-insights/{name}",
               [&context](const Call&) { return refuse_write(context, "MeshInsight"); });
    router.add(method, "/meshes/{mesh}/service-insights/{name}",
               [&context](const Call&) { return refuse_write(context, "ServiceInsight"); });
  }
  router.add("GET", "/global-insight", [&context](const Call&) { return global_insight(context); });
  router.add("GET", "/global-insights", [&context](const Call&) { return global_insights(context); });
}

}  // namespace mesh::api
