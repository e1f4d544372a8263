#include "settings/name_ranges.h"

#include <fmt/format.h>

#include <array>

#include "model/rules.h"

namespace mesh {
namespace {

struct Named {
  const char* setting;
  const std::string& text;
  AddressRange range = {};
};

Error overlap(const Named& one, const Named& other) {
  return invalid(one.setting,
                 fmt::format("the range {} shares addresses with {} of {}; an address can belong to one kind "
                             "of service only",
                             one.text, other.text, other.setting));
}

}  // namespace

Result<NameRanges> read_name_ranges(const ControlPlaneSettings& settings, std::vector<std::string>& warnings) {
  std::array named = {Named{"dnsServer.CIDR (KUMA_DNS_SERVER_CIDR)", settings.dns_server.cidr},
                      Named{"ipam.meshService.cidr (KUMA_IPAM_MESH_SERVICE_CIDR)", settings.ipam.mesh_service.cidr},
                      Named{"ipam.meshExternalService.cidr (KUMA_IPAM_MESH_EXTERNAL_SERVICE_CIDR)",
                            settings.ipam.mesh_external_service.cidr},
                      Named{"ipam.meshMultiZoneService.cidr (KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR)",
                            settings.ipam.mesh_multi_zone_service.cidr}};
  for (Named& each : named) {
    const Result<AddressRange> range = AddressRange::parse(each.text);
    if (!range) return invalid(each.setting, range.error().text);
    each.range = *range;
  }
  for (std::size_t i = 1; i < named.size(); ++i) {
    for (std::size_t j = i + 1; j < named.size(); ++j)
      if (named[i].range.overlaps(named[j].range)) return overlap(named[i], named[j]);
    const bool is_within =
        named[i].range.contains(named[0].range.first) && named[i].range.contains(named[0].range.last);
    if (is_within) return overlap(named[0], named[i]);
  }
  if (!is_host_name(settings.dns_server.domain))
    return invalid("dnsServer.domain (KUMA_DNS_SERVER_DOMAIN)",
                   fmt::format("\"{}\" is no name of a domain", settings.dns_server.domain));
  // Names in Route 53 are for proxies that listen at the addresses themselves.
  if (settings.kmesh.runtime.aws.route53.enabled) {
    for (const Named& each : named)
      if (!each.range.is_loopback())
        warnings.push_back(
            fmt::format("{}: {} is not within 127.0.0.0/8, so that sidecars with --bind-outbounds cannot "
                        "listen at its addresses",
                        each.setting, each.text));
    constexpr int first_unprivileged = 1024;
    if (settings.dns_server.service_vip_enabled && settings.dns_server.service_vip_port < first_unprivileged)
      warnings.push_back(
          fmt::format("dnsServer.serviceVipPort (KUMA_DNS_SERVER_SERVICE_VIP_PORT): {} is a privileged "
                      "port, so that sidecars with --bind-outbounds cannot listen at it on Fargate; use "
                      "one above 1024",
                      settings.dns_server.service_vip_port));
  }
  return NameRanges{named[0].range, named[1].range, named[2].range, named[3].range};
}

}  // namespace mesh
