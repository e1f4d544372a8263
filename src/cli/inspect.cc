// What the control plane knows of proxies, meshes, services and zones.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "cli/tags.h"

namespace mesh::cli {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;
using Row = std::vector<std::string>;

// All pages as one.
Result<value> fetch_all(const Client& client, const std::string& path, Query query) {
  array items;
  query.emplace_back("size", "1000");
  query.emplace_back("offset", "0");
  while (true) {
    query.back().second = std::to_string(items.size());
    MESH_TRY(const value page, client.get_json(path, query));
    const array& got = items_at(page, {"items"});
    items.insert(items.end(), got.begin(), got.end());
    if (got.empty() || text_at(page, {"next"}).empty()) break;
  }
  const std::size_t total = items.size();
  return value(object{{"total", total}, {"items", std::move(items)}, {"next", nullptr}});
}

using MakeRow = Row (*)(const value& item, SystemTime now);

Status show(Session& session, Format format, const value& list, Row headers, MakeRow make_row) {
  if (format != Format::Table) {
    print_document(session.terminal, format, list);
    return {};
  }
  Table table(std::move(headers));
  for (const auto& item : items_at(list, {"items"})) table.add(make_row(item, session.terminal.clock.now()));
  table.print(session.terminal.out);
  return {};
}

const value& last_of(const array& items) {
  static const value none;
  return items.empty() ? none : items.back();
}

bool is_online(const value& subscription) {
  return !text_at(subscription, {"connectTime"}).empty() && text_at(subscription, {"disconnectTime"}).empty();
}

std::uint64_t sum(const array& subscriptions, std::string_view what) {
  std::uint64_t total = 0;
  for (const auto& subscription : subscriptions) total += number_at(subscription, {"status", "total", what});
  return total;
}

bool is_ready(const value& inbound) {
  const auto& health = value_at(inbound, {"health"});
  const auto& ready = value_at(inbound, {"health", "ready"});
  const bool is_healthy = !health.is_object() || (ready.is_bool() && ready.get_bool());
  return is_healthy && text_at(inbound, {"state"}) != "NotReady";
}

struct ProxyStatus {
  std::string status;
  std::string notes;
};

ProxyStatus status_of(const value& overview, const array& subscriptions) {
  const bool is_connected = std::ranges::any_of(subscriptions, is_online);
  if (value_at(overview, {"dataplane", "networking", "gateway"}).is_object())
    return {is_connected ? "Online" : "Offline", {}};
  const array& inbounds = items_at(overview, {"dataplane", "networking", "inbound"});
  ProxyStatus out;
  std::size_t ready = 0;
  for (const auto& inbound : inbounds) {
    if (is_ready(inbound)) {
      ++ready;
      continue;
    }
    out.notes += fmt::format("{}inbound[port={},svc={}] is not ready", out.notes.empty() ? "" : ";",
                             number_at(inbound, {"port"}), text_at(inbound, {"tags", "kuma.io/service"}));
  }
  out.status = !is_connected || ready == 0 ? "Offline" : (ready < inbounds.size() ? "Partially degraded" : "Online");
  return out;
}

std::string join(const array& texts, std::string_view separator) {
  std::string out;
  for (const auto& text : texts) {
    if (text.is_string()) out += fmt::format("{}{}", out.empty() ? "" : separator, std::string_view(text.get_string()));
  }
  return out;
}

std::string dependencies_text(const value& subscription) {
  const auto& found = value_at(subscription, {"version", "dependencies"});
  std::string out;
  if (found.is_object()) {
    for (const auto& [name, text] : found.get_object()) {
      if (text.is_string())
        out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", std::string_view(name),
                           std::string_view(text.get_string()));
    }
  }
  return out.empty() ? "-" : out;
}

Row dataplane_row(const value& item, SystemTime now) {
  const array& subscriptions = items_at(item, {"dataplaneInsight", "subscriptions"});
  const value& last = last_of(subscriptions);
  const value& mtls = value_at(item, {"dataplaneInsight", "mTLS"});
  const ProxyStatus status = status_of(item, subscriptions);
  return {text_at(item, {"mesh"}),
          text_at(item, {"name"}),
          tags_text(value_at(item, {"dataplane"})),
          status.status,
          ago(text_at(last, {"connectTime"}), now),
          ago(text_at(last, {"status", "lastUpdateTime"}), now),
          std::to_string(sum(subscriptions, "responsesSent")),
          std::to_string(sum(subscriptions, "responsesRejected")),
          ago(text_at(mtls, {"lastCertificateRegeneration"}), now),
          moment(text_at(mtls, {"certificateExpirationTime"})),
          std::to_string(number_at(mtls, {"certificateRegenerations"})),
          mtls.is_object() ? text_at(mtls, {"issuedBackend"}) : "-",
          join(items_at(mtls, {"supportedBackends"}), ","),
          text_at(last, {"version", "kumaDp", "version"}),
          text_at(last, {"version", "envoy", "version"}),
          dependencies_text(last),
          status.notes};
}

Row mesh_row(const value& item, SystemTime) {
  Row row{text_at(item, {"name"}),
          fmt::format("{}/{}", number_at(item, {"dataplanes", "online"}), number_at(item, {"dataplanes", "total"}))};
  for (const char* kind : {"TrafficPermission", "TrafficRoute", "CircuitBreaker", "HealthCheck", "FaultInjection",
                           "ExternalService", "TrafficTrace", "TrafficLog", "ProxyTemplate", "RateLimit"}) {
    row.push_back(std::to_string(number_at(item, {"policies", kind, "total"})));
  }
  return row;
}

Row service_row(const value& item, SystemTime) {
  const std::string status = text_at(item, {"status"});
  return {text_at(item, {"name"}),
          status == "online" ? "Online" : (status == "partially_degraded" ? "Partially degraded" : "Offline"),
          fmt::format("{}/{}", number_at(item, {"dataplanes", "online"}), number_at(item, {"dataplanes", "total"}))};
}

Row zone_row(const value& item, SystemTime now) {
  const array& subscriptions = items_at(item, {"zoneInsight", "subscriptions"});
  const value& last = last_of(subscriptions);
  const auto& enabled = value_at(item, {"zone", "enabled"});
  const bool is_enabled = !enabled.is_bool() || enabled.get_bool();
  return {text_at(item, {"name"}),
          is_enabled && std::ranges::any_of(subscriptions, is_online) ? "Online" : "Offline",
          ago(text_at(last, {"connectTime"}), now),
          ago(text_at(last, {"status", "lastUpdateTime"}), now),
          std::to_string(sum(subscriptions, "responsesSent")),
          std::to_string(sum(subscriptions, "responsesRejected")),
          text_at(last, {"version", "kumaCp", "version"}),
          ""};
}

// Attachments of older policies have a port or a service; those of newer ones are the proxy itself.
std::string attachment_text(const value& entry) {
  std::string type = text_at(entry, {"type"});
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string name = text_at(entry, {"name"});
  const std::string service = text_at(entry, {"service"});
  if (name.empty()) return type;
  return service.empty() || service == name ? fmt::format("{} {}", type, name)
                                            : fmt::format("{} {}({})", type, name, service);
}

void print_policies(std::ostream& out, const value& answer) {
  for (const auto& entry : items_at(answer, {"items"})) {
    out << attachment_text(entry) << ":\n";
    const auto& matched = value_at(entry, {"matchedPolicies"});
    if (!matched.is_object()) continue;
    for (const auto& [type, policies] : matched.get_object()) {
      out << "  " << std::string_view(type) << '\n';
      for (const auto& policy : policies.is_array() ? policies.get_array() : array{})
        out << "    " << text_at(policy, {"name"}) << '\n';
    }
    out << '\n';
  }
}

}  // namespace

Status inspect_dataplanes(Session& session, const InspectListOptions& options) {
  MESH_TRY(const Client client, session.open_client());
  Query query;
  for (const auto& [tag, text] : options.tags) query.emplace_back("tag", tag + ":" + text);
  if (options.gateway) query.emplace_back("gateway", "true");
  if (options.ingress) query.emplace_back("ingress", "true");
  MESH_TRY(const value list,
           fetch_all(client, fmt::format("/meshes/{}/dataplanes/_overview", piece(options.mesh)), std::move(query)));
  return show(session, options.format, list,
              {"MESH", "NAME", "TAGS", "STATUS", "LAST CONNECTED AGO", "LAST UPDATED AGO", "TOTAL UPDATES",
               "TOTAL ERRORS", "CERT REGENERATED AGO", "CERT EXPIRATION", "CERT REGENERATIONS", "CERT BACKEND",
               "SUPPORTED CERT BACKENDS", "KUMA-DP VERSION", "ENVOY VERSION", "DEPENDENCIES VERSIONS", "NOTES"},
              dataplane_row);
}

Status inspect_meshes(Session& session, const InspectListOptions& options) {
  MESH_TRY(const Client client, session.open_client());
  MESH_TRY(const value list, fetch_all(client, "/mesh-insights", {}));
  return show(
      session, options.format, list,
      {"MESH", "DATAPLANES", "TRAFFIC PERMISSIONS", "TRAFFIC ROUTES", "CIRCUIT BREAKERS", "HEALTH CHECKS",
       "FAULT INJECTIONS", "EXTERNAL SERVICES", "TRAFFIC TRACES", "TRAFFIC LOGS", "PROXY TEMPLATES", "RATE LIMITS"},
      mesh_row);
}

Status inspect_services(Session& session, const InspectListOptions& options) {
  MESH_TRY(const Client client, session.open_client());
  MESH_TRY(const value list, fetch_all(client, fmt::format("/meshes/{}/service-insights", piece(options.mesh)), {}));
  return show(session, options.format, list, {"SERVICE", "STATUS", "DATAPLANES"}, service_row);
}

Status inspect_zones(Session& session, const InspectListOptions& options) {
  MESH_TRY(const Client client, session.open_client());
  MESH_TRY(const value list, fetch_all(client, "/zones/_overview", {}));
  return show(session, options.format, list,
              {"NAME", "STATUS", "LAST CONNECTED AGO", "LAST UPDATED AGO", "TOTAL UPDATES", "TOTAL ERRORS",
               "ZONE-CP VERSION", "BACKEND"},
              zone_row);
}

Status inspect_dataplane(Session& session, const InspectDataplaneOptions& options) {
  if (options.shadow && options.type != "config") return invalid("--shadow", "can be used only with --type=config");
  if (!options.include.empty() && options.type != "config")
    return invalid("--include", "can be used only with --type=config");
  if (options.include_eds && options.type != "config-dump")
    return invalid("--include-eds", "can be used only with --type=config-dump");
  MESH_TRY(const Client client, session.open_client());
  const std::string path = fmt::format("/meshes/{}/dataplanes/{}", piece(options.mesh), piece(options.name));
  if (options.type == "policies") {
    MESH_TRY(const value answer, client.get_json(path + "/policies"));
    print_policies(session.terminal.out, answer);
    return {};
  }
  Query query;
  std::string last = options.type;
  if (options.type == "config") {
    last = "_config";
    if (options.shadow) query.emplace_back("shadow", "true");
    std::string include;
    for (const auto& word : options.include) include += (include.empty() ? "" : ",") + word;
    if (!include.empty()) query.emplace_back("include", include);
  } else if (options.type == "config-dump") {
    last = "xds";
    if (options.include_eds) query.emplace_back("include_eds", "true");
  } else if (options.type != "stats" && options.type != "clusters") {
    return invalid("--type",
                   fmt::format("is \"{}\"; may be policies, config-dump, stats, clusters or config", options.type));
  }
  MESH_TRY(const auto response, client.get(path + "/" + last, query));
  session.terminal.out << response.body;
  return {};
}

}  // namespace mesh::cli
