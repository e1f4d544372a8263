#include "config/config_json.h"

#include <boost/json.hpp>

#include "base/encoding.h"
#include "envoy/pack.h"

namespace mesh {
namespace {

namespace json = boost::json;

// Wherever they stand: in secrets, and in clusters that make TLS of their own.
void hide_private_keys(json::value& value) {
  if (auto* list = value.if_array()) {
    for (json::value& item : *list) hide_private_keys(item);
  } else if (auto* object = value.if_object()) {
    for (auto& entry : *object) {
      if (entry.key() == "privateKey")
        entry.value() = {{"inlineBytes", base64_encode("(not shown)")}};
      else
        hide_private_keys(entry.value());
    }
  }
}

Status add_all(std::string_view type, const NamedResources& resources, json::object& document) {
  if (resources == nullptr || resources->empty()) return {};
  json::object& all = document[type].emplace_object();
  for (const NamedResourcePtr& resource : *resources) {
    MESH_TRY(const std::string text, envoy::resource_to_json(*resource->body));
    json::value& shown = all[resource->name] = json::parse(text);
    hide_private_keys(shown);
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
  return json::serialize(document);
}

}  // namespace mesh
