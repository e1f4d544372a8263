#include "model/zone_proxy.h"

#include "model/insight.h"
#include "model/rules.h"

namespace mesh {
namespace {

void check_address(const std::string& address, const std::string& path, Violations& violations) {
  if (address.empty()) return;
  if (address == "0.0.0.0" || address == "::")
    violations.push_back({path, "must be an address that others can reach, not 0.0.0.0 or ::"});
  else if (!is_ip_address(address) && !is_host_name(address))
    violations.push_back({path, "address must be a valid IP address or domain name"});
}

void check_admin(const std::optional<EnvoyAdmin>& admin, const std::string& address, std::uint32_t port,
                 Violations& violations) {
  if (admin && admin->port == port && (address == "127.0.0.1" || address == "0.0.0.0" || address == "::"))
    violations.push_back({"networking.admin.port", "must differ from port"});
}

void validate_zone_ingress(const AnySpec& spec, Violations& violations) {
  const auto* ingress = spec.as<ZoneIngress>();
  if (ingress == nullptr) return;
  const ZoneIngressNetworking& networking = ingress->networking;
  check_admin(networking.admin, networking.address, networking.port, violations);
  if (networking.advertised_address.empty() && networking.advertised_port != 0)
    violations.push_back({"networking.advertisedAddress", "has to be defined with advertisedPort"});
  if (!networking.advertised_address.empty() && networking.advertised_port == 0)
    violations.push_back({"networking.advertisedPort", "has to be defined with advertisedAddress"});
  check_address(networking.address, "networking.address", violations);
  check_address(networking.advertised_address, "networking.advertisedAddress", violations);
  check_port(networking.port, "networking.port", violations);
  if (networking.advertised_port != 0) check_port(networking.advertised_port, "networking.advertisedPort", violations);
  for (std::size_t i = 0; i < ingress->available_services.size(); ++i) {
    const Tags& tags = ingress->available_services[i].tags;
    const std::string path = at_index("availableService", i) + ".tags";
    check_tags(tags, path, false, violations);
    if (!tags.contains(kServiceTag))
      violations.push_back({path, "the tag \"kuma.io/service\" is missing: it names the service"});
  }
}

void validate_zone_egress(const AnySpec& spec, Violations& violations) {
  const auto* egress = spec.as<ZoneEgress>();
  if (egress == nullptr) return;
  check_admin(egress->networking.admin, egress->networking.address, egress->networking.port, violations);
  check_address(egress->networking.address, "networking.address", violations);
  check_port(egress->networking.port, "networking.port", violations);
}

}  // namespace

const Kind kZoneIngressKind = describe_kind<ZoneIngress>({.name = "ZoneIngress",
                                                          .path = "zoneingresses",
                                                          .short_name = "zi",
                                                          .singular = "Zone Ingress",
                                                          .plural = "Zone Ingresses",
                                                          .scope = Scope::Global,
                                                          .layout = Layout::Flat,
                                                          .include_in_federation = false,
                                                          .path_aliases = {"zone-ingresses"},
                                                          .validate = validate_zone_ingress});

const Kind kZoneEgressKind = describe_kind<ZoneEgress>({.name = "ZoneEgress",
                                                        .path = "zoneegresses",
                                                        .short_name = "ze",
                                                        .singular = "Zone Egress",
                                                        .plural = "Zone Egresses",
                                                        .scope = Scope::Global,
                                                        .layout = Layout::Flat,
                                                        .include_in_federation = false,
                                                        .validate = validate_zone_egress});

const Kind kZoneIngressInsightKind = describe_kind<DataplaneInsight>({.name = "ZoneIngressInsight",
                                                                      .path = "zone-ingress-insights",
                                                                      .singular = "Zone Ingress Insight",
                                                                      .plural = "Zone Ingress Insights",
                                                                      .scope = Scope::Global,
                                                                      .layout = Layout::Flat,
                                                                      .read_only = true,
                                                                      .include_in_federation = false});

const Kind kZoneEgressInsightKind = describe_kind<DataplaneInsight>({.name = "ZoneEgressInsight",
                                                                     .path = "zoneegressinsights",
                                                                     .singular = "Zone Egress Insight",
                                                                     .plural = "Zone Egress Insights",
                                                                     .scope = Scope::Global,
                                                                     .layout = Layout::Flat,
                                                                     .read_only = true,
                                                                     .include_in_federation = false});

}  // namespace mesh
