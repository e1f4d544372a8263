#include "dpserver/bootstrap_request.h"

#include <boost/json.hpp>

#include <algorithm>

#include "model/json.h"

namespace mesh {
namespace {

namespace json = boost::json;

const json::value* find(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

// What is missing or null is empty; what is of another type is wrong.
class FieldReader {
 public:
  explicit FieldReader(const json::object& object) : object_(object) {}

  std::string text(std::string_view key) {
    const auto* value = find(object_, key);
    if (value == nullptr) return {};
    if (value->is_string()) return std::string(value->get_string());
    violations_.push_back({std::string(key), "must be a string"});
    return {};
  }
  ProxyRole proxy_type(std::string_view key) {
    const std::string name = text(key);
    const auto type = name.empty() ? ProxyRole::Dataplane : parse_proxy_type(name);
    if (!type) violations_.push_back({std::string(key), "must be dataplane, ingress or egress"});
    return type.value_or(ProxyRole::Dataplane);
  }
  bool flag(std::string_view key) {
    const auto* value = find(object_, key);
    if (value == nullptr) return false;
    if (value->is_bool()) return value->get_bool();
    violations_.push_back({std::string(key), "must be true or false"});
    return false;
  }
  std::uint32_t port(std::string_view key) {
    const auto* value = find(object_, key);
    if (value == nullptr) return 0;
    json::error_code problem;
    const auto number = value->is_number() ? value->to_number<std::uint32_t>(problem) : 65536;
    if (!problem && number < 65536) return number;
    violations_.push_back({std::string(key), "must be a port"});
    return 0;
  }
  std::vector<std::string> texts(std::string_view key) {
    std::vector<std::string> list;
    const auto* value = find(object_, key);
    if (value == nullptr) return list;
    const auto* array = value->if_array();
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      const auto* text = (*array)[i].if_string();
      if (text == nullptr) {
        array = nullptr;
        break;
      }
      list.emplace_back(*text);
    }
    if (array == nullptr) violations_.push_back({std::string(key), "must be a list of strings"});
    return list;
  }
  // The object at `key`, without what is empty in it, as the field's other tools print such things.
  json::object object(std::string_view key) {
    const auto* value = find(object_, key);
    if (value == nullptr) return {};
    if (const auto* found = value->if_object()) return *found;
    violations_.push_back({std::string(key), "must be an object"});
    return {};
  }
  std::string text_in(std::string_view outer, std::string_view inner) {
    const json::object found = object(outer);
    FieldReader reader(found);
    return reader.text(inner);
  }
  std::vector<Violation> take_violations() { return std::move(violations_); }

 private:
  const json::object& object_;
  std::vector<Violation> violations_;
};

json::object without_empty(const json::object& object) {
  json::object out;
  for (const auto& [key, value] : object) {
    if (value.is_null() || (value.is_string() && value.get_string().empty()) || (value.is_bool() && !value.get_bool()))
      continue;
    out[key] = value.is_object() ? json::value(without_empty(value.get_object())) : value;
  }
  return out;
}

std::string metadata_of(FieldReader& fields, const BootstrapRequest& request) {
  json::object metadata;
  metadata["version"] = without_empty(fields.object("version"));
  metadata["workdir"] = request.work_dir;
  metadata["metricsCertPath"] = fields.text_in("metricsResources", "certPath");
  metadata["metricsKeyPath"] = fields.text_in("metricsResources", "keyPath");
  metadata["systemCaPath"] = fields.text("systemCaPath");
  metadata["ipv6Enabled"] = fields.flag("ipv6Enabled");
  metadata["spireAgent.socketPath"] = fields.text_in("spireResources", "socketPath");
  if (!request.dataplane.empty()) metadata["dataplane.resource"] = request.dataplane;
  // Ports are written as text there.
  if (const auto port = fields.port("dnsPort"); port != 0) metadata["dataplane.dns.port"] = std::to_string(port);
  if (const auto port = fields.port("readinessPort"); port != 0) {
    metadata["dataplane.readinessReporter.port"] = std::to_string(port);
  }
  // In spite of its name on the wire, the field says that the proxy for the application's probes is on.
  if (fields.flag("appProbeProxyDisabled")) metadata["dataplane.appProbeProxy.enabled"] = "true";
  if (auto dynamic = fields.object("dynamicMetadata"); !dynamic.empty())
    metadata["dynamicMetadata"] = std::move(dynamic);
  if (auto proxy = fields.object("dataplaneConfig"); !proxy.empty()) metadata["transparentProxy"] = std::move(proxy);
  if (auto otel = fields.object("otelEnv"); !otel.empty()) metadata["otelEnvInventory"] = std::move(otel);
  return json::serialize(metadata);
}

}  // namespace

bool BootstrapRequest::has_feature(std::string_view name) const {
  return std::find(features.begin(), features.end(), name) != features.end();
}

Result<BootstrapRequest> parse_bootstrap_request(std::string_view body) {
  MESH_TRY(const json::value document, parse_json(body));
  const auto* object = document.if_object();
  if (object == nullptr) return invalid("", "the request must be a JSON object");
  FieldReader fields(*object);
  BootstrapRequest request;
  request.proxy = {fields.text("mesh"), fields.text("name")};
  request.proxy.type = fields.proxy_type("proxyType");
  if (request.proxy.type != ProxyRole::Dataplane) request.proxy.mesh.clear();  // they belong to none
  request.token = Secret(fields.text("dataplaneToken"));
  request.token_path = fields.text("dataplaneTokenPath");
  request.dataplane = fields.text("dataplaneResource");
  request.ca_pem = fields.text("caCert");
  request.work_dir = fields.text("workdir");
  request.discovery_socket = fields.text("taskmeshDiscoverySocket");
  request.features = fields.texts("features");
  request.metadata_json = metadata_of(fields, request);
  if (auto violations = fields.take_violations(); !violations.empty()) {
    return Error{ErrorKind::Invalid, {}, "the request is not a bootstrap request", std::move(violations)};
  }
  return request;
}

}  // namespace mesh
