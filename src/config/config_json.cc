#include "config/config_json.h"

#include <boost/json.hpp>

#include "base/encoding.h"
#include "envoy/pack.h"

namespace mesh {
namespace {

namespace json = boost::json;

void hide_private_key(json::value& secret) {
  if (json::value* certificate = secret.as_object().if_contains("tlsCertificate")) {
    certificate->as_object()["privateKey"] = {{"inlineBytes", base64_encode("(not shown)")}};
  }
}

Status add_all(std::string_view type, const NamedResources& resources, json::object& document) {
  if (resources == nullptr || resources->empty()) return {};
  json::object& all = document[type].emplace_object();
  for (const NamedResource& resource : *resources) {
    MESH_TRY(const std::string text, envoy::resource_to_json(*resource.body));
    all[resource.name] = json::parse(text);
  }
  return {};
}

}  // namespace

Result<std::string> config_json(const ProxyConfig& config, const NamedResources& secrets) {
  constexpr std::string_view kSecretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
  json::object document;
  MESH_RETURN_IF_ERROR(add_all("type.googleapis.com/envoy.config.cluster.v3.Cluster", config.clusters, document));
  MESH_RETURN_IF_ERROR(
      add_all("type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", config.endpoints, document));
  MESH_RETURN_IF_ERROR(add_all("type.googleapis.com/envoy.config.listener.v3.Listener", config.listeners, document));
  MESH_RETURN_IF_ERROR(
      add_all("type.googleapis.com/envoy.config.route.v3.RouteConfiguration", config.routes, document));
  MESH_RETURN_IF_ERROR(add_all(kSecretType, secrets, document));
  if (json::value* shown = document.if_contains(kSecretType)) {
    for (auto& entry : shown->as_object()) hide_private_key(entry.value());
  }
  return json::serialize(document);
}

}  // namespace mesh
