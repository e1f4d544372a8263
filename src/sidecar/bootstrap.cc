#include "sidecar/bootstrap.h"

#include <boost/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include "base/encoding.h"
#include "base/files.h"
#include "base/version.h"
#include "model/yaml.h"

namespace mesh::sidecar {

namespace json = boost::json;

namespace {

std::string find_system_ca() {
  constexpr std::array places = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                 "/etc/ssl/ca-bundle.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                                 "/etc/ssl/cert.pem"};
  for (const char* place : places) {
    if (::access(place, R_OK) == 0) return place;
  }
  return {};
}

bool loopback_has_ipv6() {
  std::ifstream interfaces("/proc/net/if_inet6");
  for (std::string line; std::getline(interfaces, line);) {
    if (line.starts_with("00000000000000000000000000000001 ")) return true;
  }
  return false;
}

std::uint64_t cgroup_memory_limit() {
  for (const char* place : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.limit_in_bytes"}) {
    const auto text = read_file(place, 64);
    if (!text) continue;
    std::uint64_t bytes = 0;
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), bytes);
    if (problem == std::errc() && end != text->data()) return bytes;  // not "max"
  }
  return 0;
}

std::string text_at(const json::value& document, std::string_view pointer) {
  boost::system::error_code missing;
  const json::value* found = document.find_pointer(pointer, missing);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

// Whether one of Envoy's own clusters leads to that Unix socket.
bool has_pipe(const json::value& envoy, std::string_view path) {
  boost::system::error_code missing;
  const json::value* clusters = envoy.find_pointer("/staticResources/clusters", missing);
  if (clusters == nullptr || !clusters->is_array()) return false;
  return std::ranges::any_of(clusters->get_array(), [&](const json::value& cluster) {
    return text_at(cluster, "/loadAssignment/endpoints/0/lbEndpoints/0/endpoint/address/pipe/path") == path;
  });
}

}  // namespace

HostFacts read_host_facts() { return {loopback_has_ipv6(), cgroup_memory_limit(), find_system_ca()}; }

std::string bootstrap_request_json(const Settings& settings, const BootstrapRequest& request) {
  json::object body;
  body["mesh"] = request.resource.mesh;
  body["name"] = request.resource.name;
  body["proxyType"] = proxy_type_name(settings.proxy_type);
  if (!request.token.empty()) body["dataplaneToken"] = request.token.reveal();
  if (!request.token_path.empty()) body["dataplaneTokenPath"] = request.token_path;
  if (!request.resource.json.empty()) body["dataplaneResource"] = request.resource.json;
  body["caCert"] = request.ca_cert;
  body["version"] = {
      {"kumaDp", {{"version", kPeerVersion}, {"gitTag", kVersion}, {"gitCommit", ""}, {"buildDate", ""}}},
      {"envoy", {{"version", request.envoy.version}, {"build", request.envoy.build}, {"kumaDpCompatible", true}}}};
  json::object& metadata = (body["dynamicMetadata"] = json::object()).as_object();
  for (const auto& [name, value] : settings.dynamic_metadata) metadata[name] = value;
  body["readinessPort"] = settings.readiness_port;
  body["operatingSystem"] = "linux";
  json::array& features = (body["features"] = json::array()).as_array();
  for (const std::string& feature : settings.features()) features.emplace_back(feature);
  body["resources"] = {
      {"maxHeapSizeBytes", settings.max_memory_bytes != 0 ? settings.max_memory_bytes : request.host.max_memory_bytes}};
  body["workdir"] = request.work_dir;
  if (!request.discovery_socket.empty()) body[kDiscoverySocket] = request.discovery_socket;
  body["metricsResources"] = {{"certPath", settings.metrics_cert_path}, {"keyPath", settings.metrics_key_path}};
  body["systemCaPath"] = settings.system_ca_path.empty() ? request.host.system_ca_path : settings.system_ca_path;
  body["ipv6Enabled"] = settings.ipv6 && request.host.has_ipv6;
  body["spireResources"] = {{"socketPath", ""}};
  return json::serialize(body);
}

Result<Bootstrap> parse_bootstrap_answer(std::string_view body, std::string_view discovery_socket) {
  const auto wrong = [](std::string what) {
    return error(ErrorKind::Unavailable, "the control plane's answer to the bootstrap request " + std::move(what));
  };
  boost::system::error_code problem;
  const json::value document = json::parse(body, problem);
  if (problem) return wrong("is not JSON; is --cp-address really the data plane port of a control plane (5678)?");

  const auto yaml = base64_decode(text_at(document, "/bootstrap"));
  if (!yaml || yaml->empty()) return wrong("holds no Envoy bootstrap");
  auto envoy = parse_yaml_document(*yaml);
  if (!envoy) return with_context(std::move(envoy).error(), "reading the Envoy bootstrap that the control plane sent");

  Bootstrap bootstrap;
  bootstrap.envoy_yaml = *yaml;
  bootstrap.networking_address = text_at(document, "/kumaSidecarConfiguration/networking/address");
  bootstrap.admin_socket = text_at(*envoy, "/admin/address/pipe/path");
  bootstrap.uses_discovery_socket = !discovery_socket.empty() && has_pipe(*envoy, discovery_socket);
  if (bootstrap.admin_socket.empty()) {
    bootstrap.admin_address.address = text_at(*envoy, "/admin/address/socketAddress/address");
    boost::system::error_code missing;
    const json::value* port = envoy->find_pointer("/admin/address/socketAddress/portValue", missing);
    if (port != nullptr && port->is_number()) bootstrap.admin_address.port = port->to_number<std::uint32_t>(missing);
    if (bootstrap.admin_address.address.empty() || bootstrap.admin_address.port == 0) {
      return wrong("names no admin address of Envoy, without which it cannot be watched or drained");
    }
  }
  return bootstrap;
}

Error explain_bootstrap_refusal(int status, std::string_view body, const std::string& cp_address) {
  const std::string said(body.substr(0, 2000));
  if (status == 404 && body.empty()) {
    return error(
        ErrorKind::NotFound,
        "the control plane does not know this proxy; create it there, or give its definition with --dataplane-file");
  }
  if (status == 404) {
    return error(ErrorKind::Unavailable,
                 "there is no /bootstrap at " + cp_address +
                     "; it must be the data plane port (5678 by default), not the API port (5681)");
  }
  if (status == 401 || status == 403) return error(ErrorKind::Denied, "the control plane refused this proxy: " + said);
  if (status / 100 == 4)
    return error(ErrorKind::Invalid, "the control plane refused the request: " +
                                         (said.empty() ? "status " + std::to_string(status) : said));
  return error(ErrorKind::Unavailable,
               "the control plane answered with status " + std::to_string(status) + (said.empty() ? "" : ": " + said));
}

}  // namespace mesh::sidecar
