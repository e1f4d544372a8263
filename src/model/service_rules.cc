#include "model/service_rules.h"

#include <fmt/format.h>

#include "model/service.h"

namespace mesh {
namespace {

void check_target_port(const boost::json::value& target, const std::string& path, Violations& violations) {
  if (target.is_null() || target.is_string()) return;
  if (!target.is_int64() && !target.is_uint64())
    violations.push_back({path, "must be the number or the name of an inbound"});
}

void check_versions(const TlsVersions& versions, Violations& violations) {
  if (!versions.min || !versions.max) return;
  if (*versions.min == TlsVersion::TLSAuto || *versions.max == TlsVersion::TLSAuto) return;
  if (*versions.min > *versions.max) violations.push_back({"spec.tls.version.min", "must not be higher than max"});
}

void check_verification(const TlsVerification& verification, Violations& violations) {
  const std::string path = "spec.tls.verification";
  if (verification.server_name && !is_host_name(*verification.server_name))
    violations.push_back({path + ".serverName", "must be a valid DNS name"});
  if (verification.client_cert && !verification.client_key)
    violations.push_back({path + ".clientKey", "must be defined when clientCert is"});
  if (!verification.client_cert && verification.client_key)
    violations.push_back({path + ".clientCert", "must be defined when clientKey is"});
}

}  // namespace

void validate_mesh_service(const AnySpec& spec, Violations& violations) {
  const auto* service = spec.as<MeshService>();
  if (service == nullptr) return;
  const ServiceSelector& selector = service->selector;
  if (selector.dataplane_tags.has_value() + selector.dataplane_ref.has_value() + selector.dataplane_labels.has_value() >
      1)
    violations.push_back({"spec.selector", "may have only one of dataplaneTags, dataplaneRef and dataplaneLabels"});
  for (std::size_t i = 0; i < service->ports.size(); ++i)
    check_target_port(service->ports[i].target_port, at_index("spec.ports", i) + ".targetPort", violations);
}

void validate_multi_zone_service(const AnySpec& spec, Violations& violations) {
  const auto* service = spec.as<MeshMultiZoneService>();
  if (service == nullptr) return;
  if (service->selector.mesh_service.match_labels.empty())
    violations.push_back({"spec.selector.meshService.matchLabels", "must not be empty"});
  if (service->ports.empty()) violations.push_back({"spec.ports", "must not be empty"});
  for (std::size_t i = 0; i < service->ports.size(); ++i) {
    const MultiZonePort& port = service->ports[i];
    const std::string path = at_index("spec.ports", i);
    if (port.name && port.name->empty()) violations.push_back({path + ".name", "must not be empty"});
    constexpr std::array known = {"grpc", "http", "http2", "kafka", "tcp"};
    if (std::ranges::find(known, port.app_protocol) == known.end())
      violations.push_back({path + ".appProtocol",
                            fmt::format("is \"{}\"; may be one of: grpc, http, http2, kafka, tcp", port.app_protocol)});
  }
}

void validate_external_service(const AnySpec& spec, Violations& violations) {
  const auto* service = spec.as<MeshExternalService>();
  if (service == nullptr) return;
  if (service->extension) {
    if (service->extension->type.empty()) violations.push_back({"spec.extension.type", "must not be empty"});
    return;
  }
  for (std::size_t i = 0; i < service->endpoints.size(); ++i) {
    const std::string& address = service->endpoints[i].address;
    if (!is_ip_address(address) && !is_host_name(address))
      violations.push_back({at_index("spec.endpoints", i) + ".address", "must be a valid IP address or host name"});
  }
  if (!service->tls) return;
  if (service->tls->version) check_versions(*service->tls->version, violations);
  if (service->tls->verification) check_verification(*service->tls->verification, violations);
}

}  // namespace mesh
