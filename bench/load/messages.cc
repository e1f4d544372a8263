#include "load/messages.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include <unordered_map>

#include "ads/wire_format.h"
#include "base/version.h"

namespace mesh::load {

namespace json = boost::json;

namespace {

constexpr const char* kEnvoyVersion = "1.40.0";
const std::vector<std::string> kFeatures = {"feature-tcp-accesslog-via-named-pipe", "feature-delta-grpc",
                                            "feature-strict-inbound-ports", "feature-reuse-port"};

std::string make_extensions() {
  std::string out;
  for (int i = 0; out.size() < 58'000; ++i) {
    std::string extension;
    pb::append_bytes(extension, 1, fmt::format("envoy.filters.http.extension_number_{}", i));
    pb::append_bytes(extension, 2, "envoy.filters.http");
    pb::append_bytes(extension, 6, fmt::format("envoy.extensions.filters.http.extension_number_{}.v3.Config", i));
    pb::append_bytes(out, 9, extension);
  }
  return out;
}

google::protobuf::Value text(const std::string& content) {
  google::protobuf::Value value;
  value.set_string_value(content);
  return value;
}

google::protobuf::Struct shared_metadata() {
  google::protobuf::Struct metadata;
  auto& fields = *metadata.mutable_fields();
  fields["dataplane.admin.address"] = text("127.0.0.1");
  fields["dataplane.admin.port"] = text("9901");
  fields["dataplane.proxyType"] = text("dataplane");
  fields["dataplane.readinessReporter.port"] = text("9902");
  fields["ipv6Enabled"].set_bool_value(false);
  for (const std::string& feature : kFeatures) *fields["features"].mutable_list_value()->add_values() = text(feature);
  auto& versions = *fields["version"].mutable_struct_value()->mutable_fields();
  (*versions["envoy"].mutable_struct_value()->mutable_fields())["version"] = text(kEnvoyVersion);
  (*versions["kumaDp"].mutable_struct_value()->mutable_fields())["version"] = text(kPeerVersion);
  return metadata;
}

json::object versions_json() {
  return {{"kumaDp", json::object{{"version", kPeerVersion}, {"gitTag", ""}, {"gitCommit", ""}, {"buildDate", ""}}},
          {"envoy", json::object{{"version", kEnvoyVersion}, {"build", ""}, {"kumaDpCompatible", true}}}};
}

std::string_view first_text(std::string_view message) {
  pb::Reader reader(message);
  const auto field = reader.next();
  return field && field->number == 1 && field->type == 2 ? field->bytes : std::string_view();
}

XdsType find_type(std::string_view url, bool& known) {
  known = true;
  for (const XdsType type : kXdsTypes)
    if (type_url(type) == url) return type;
  known = false;
  return XdsType::Cluster;
}

HeardResource read_any(std::string_view any) {
  HeardResource out;
  pb::Reader reader(any);
  while (const auto field = reader.next())
    if (field->number == 2) out.body = field->bytes;
  return out;
}

HeardResource read_delta_resource(std::string_view bytes) {
  HeardResource out;
  pb::Reader reader(bytes);
  while (const auto field = reader.next()) {
    if (field->number == 1) out.version = field->bytes;
    if (field->number == 2) out.body = read_any(field->bytes).body;
    if (field->number == 3) out.name = field->bytes;
  }
  return out;
}

}  // namespace

std::string service_name(int service) { return fmt::format("svc-{}", service); }

std::string dataplane_json(const std::string& mesh, const Instance& instance) {
  json::array outbounds;
  std::int64_t port = 10'001;
  for (const int called : instance.calls)
    outbounds.push_back(
        json::object{{"port", port++}, {"tags", json::object{{"kuma.io/service", service_name(called)}}}});
  json::array inbounds;
  inbounds.push_back(json::object{
      {"port", 8080},
      {"servicePort", 8081},
      {"tags", json::object{{"kuma.io/service", service_name(instance.service)}, {"kuma.io/protocol", "http"}}}});
  return json::serialize(json::object{{"type", "Dataplane"},
                                      {"mesh", mesh},
                                      {"name", instance.name},
                                      {"networking", json::object{{"address", instance.address},
                                                                  {"inbound", std::move(inbounds)},
                                                                  {"outbound", std::move(outbounds)}}}});
}

std::string bootstrap_json(const std::string& mesh, const Instance& instance, const std::string& token,
                           const std::string& ca_pem, bool carries_discovery) {
  json::array features;
  for (const std::string& feature : kFeatures) features.emplace_back(feature);
  json::object body{{"mesh", mesh},
                    {"name", instance.name},
                    {"proxyType", "dataplane"},
                    {"dataplaneToken", token},
                    {"dataplaneResource", dataplane_json(mesh, instance)},
                    {"caCert", ca_pem},
                    {"version", versions_json()},
                    {"dynamicMetadata", json::object()},
                    {"readinessPort", 9902},
                    {"operatingSystem", "linux"},
                    {"features", std::move(features)},
                    {"resources", json::object{{"maxHeapSizeBytes", 0}}},
                    {"workdir", "/tmp/" + instance.name},
                    {"metricsResources", json::object{{"certPath", ""}, {"keyPath", ""}}},
                    {"systemCaPath", ""},
                    {"ipv6Enabled", false},
                    {"spireResources", json::object{{"socketPath", ""}}}};
  if (carries_discovery) body["taskmeshDiscoverySocket"] = "/tmp/" + instance.name + "/taskmesh-discovery.sock";
  return json::serialize(body);
}

NodeBytes make_node(const std::string& mesh, const Instance& instance) {
  static const google::protobuf::Struct shared = shared_metadata();
  static const Bytes extensions = make_bytes(make_extensions());
  google::protobuf::Struct metadata = shared;
  (*metadata.mutable_fields())["dataplane.resource"] = text(dataplane_json(mesh, instance));
  NodeBytes node;
  pb::append_bytes(node.own, 1, mesh + "." + instance.name);
  pb::append_bytes(node.own, 2, service_name(instance.service));
  pb::append_bytes(node.own, 3, metadata.SerializeAsString());
  pb::append_bytes(node.own, 6, "envoy");
  node.extensions = extensions;
  return node;
}

std::vector<Bytes> write_request(Speaks speaks, const Ask& ask) {
  const bool delta = speaks == Speaks::Delta;
  std::string rest;
  pb::append_bytes(rest, delta ? 2 : 4, type_url(ask.type));
  for (const std::string& name : ask.names) pb::append_bytes(rest, 3, name);
  if (!ask.nonce.empty()) pb::append_bytes(rest, delta ? 6 : 5, ask.nonce);
  if (!ask.refusal.empty()) {
    std::string status;
    pb::append_tag(status, 1, 0);
    pb::append_varint(status, 3);  // INVALID_ARGUMENT
    pb::append_bytes(status, 2, ask.refusal);
    pb::append_bytes(rest, delta ? 7 : 6, status);
  }
  if (delta) {
    for (const std::string& name : ask.forget) pb::append_bytes(rest, 4, name);
    for (const auto& [name, version] : ask.initial_versions) {
      std::string entry;
      pb::append_bytes(entry, 1, name);
      pb::append_bytes(entry, 2, version);
      pb::append_bytes(rest, 5, entry);
    }
  } else if (!ask.version.empty()) {
    pb::append_bytes(rest, 1, ask.version);
  }
  std::vector<Bytes> pieces;
  if (ask.node != nullptr) {
    std::string head;
    pb::append_tag(head, delta ? 1 : 2, 2);
    pb::append_varint(head, ask.node->own.size() + ask.node->extensions->size());
    pieces.push_back(make_bytes(head + ask.node->own));
    pieces.push_back(ask.node->extensions);
  }
  pieces.push_back(make_bytes(std::move(rest)));
  return pieces;
}

HeardResponse read_response(Speaks speaks, std::string_view message) {
  HeardResponse out;
  pb::Reader reader(message);
  while (const auto field = reader.next()) {
    switch (field->number) {
      case 1: out.version = field->bytes; break;
      case 2:
        if (speaks == Speaks::Delta) {
          out.resources.push_back(read_delta_resource(field->bytes));
        } else {
          HeardResource resource = read_any(field->bytes);
          resource.name = first_text(resource.body);  // all our types begin with their name, in field 1
          out.resources.push_back(resource);
        }
        break;
      case 4: out.type = find_type(field->bytes, out.is_known_type); break;
      case 5: out.nonce = field->bytes; break;
      case 6:
        if (speaks == Speaks::Delta) out.removed.push_back(field->bytes);
        break;
      default: break;
    }
  }
  return out;
}

int count_endpoints(std::string_view assignment) {
  int count = 0;
  pb::Reader localities(assignment);
  while (const auto locality = localities.next()) {
    if (locality->number != 2) continue;
    pb::Reader endpoints(locality->bytes);
    while (const auto endpoint = endpoints.next()) count += endpoint->number == 2 ? 1 : 0;
  }
  return count;
}

}  // namespace mesh::load
