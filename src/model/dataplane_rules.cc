#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <set>

#include "model/dataplane.h"
#include "model/rules.h"

namespace mesh {
namespace {

constexpr std::string_view kLoopback = "127.0.0.1";

void check_address(const std::string& address, const std::string& path, Violations& violations) {
  if (address.empty()) {
    violations.push_back({path, "address must not be empty"});
    return;
  }
  if (address == "0.0.0.0" || address == "::")
    violations.push_back({path, "must be an address that others can reach, not 0.0.0.0 or ::"});
  if (!is_ip_address(address) && !is_host_name(address))
    violations.push_back({path, "address must be a valid IP address or domain name"});
}

void check_optional_ip(const std::string& address, std::string_view name, const std::string& path,
                       Violations& violations) {
  if (!address.empty() && !is_ip_address(address))
    violations.push_back({fmt::format("{}.{}", path, name), fmt::format("{} must be a valid IP address", name)});
}

void check_protocol(const std::string& protocol, const std::string& path, Violations& violations) {
  if (!is_known_protocol(protocol))
    violations.push_back(
        {path,
         fmt::format("\"{}\" is no protocol that we know; may be one of: grpc, http, http2, kafka, tcp", protocol)});
}

void check_probe(const ServiceProbe& probe, const std::string& path, Violations& violations) {
  const auto positive = [&](bool good, std::string_view name) {
    if (!good) violations.push_back({fmt::format("{}.{}", path, name), "must be more than zero"});
  };
  positive(!probe.interval || probe.interval->count() > 0, "interval");
  positive(!probe.timeout || probe.timeout->count() > 0, "timeout");
  positive(probe.unhealthy_threshold != 0U, "unhealthyThreshold");
  positive(probe.healthy_threshold != 0U, "healthyThreshold");
}

// Traffic would go in a circle when the application's address is also the proxy's.
void check_application(const Inbound& inbound, const Networking& networking, const std::string& path,
                       Violations& violations) {
  check_optional_ip(inbound.service_address, "serviceAddress", path, violations);
  check_optional_ip(inbound.address, "address", path, violations);
  const bool same_port = inbound.service_port == 0 || inbound.service_port == inbound.port;
  const std::string& listens_at = inbound.address.empty() ? networking.address : inbound.address;
  if (!inbound.service_address.empty() && inbound.service_address == listens_at && same_port)
    violations.push_back(
        {path + ".serviceAddress", "serviceAddress and servicePort must differ from address and port"});
}

void check_inbound(const Inbound& inbound, const Networking& networking, const std::string& path,
                   Violations& violations) {
  check_port(inbound.port, path + ".port", violations);
  if (inbound.service_port != 0) check_port(inbound.service_port, path + ".servicePort", violations);
  check_application(inbound, networking, path, violations);
  const std::string tags = path + ".tags";
  if (const auto protocol = inbound.tags.find(kProtocolTag); protocol != inbound.tags.end())
    check_protocol(protocol->second, at_key(tags, kProtocolTag), violations);
  check_tags(inbound.tags, tags, false, violations);
  if (!inbound.protocol_.empty()) check_protocol(inbound.protocol_, path + ".protocol", violations);
  if (inbound.service_probe) check_probe(*inbound.service_probe, path + ".serviceProbe", violations);
  // Without any tag of its own an inbound is known by its Dataplane's labels alone.
  const bool has_own_tags = inbound.tags.size() > inbound.tags.count(kZoneTag);
  if (has_own_tags && !inbound.tags.contains(kServiceTag))
    violations.push_back({at_key(tags, kServiceTag), "tag must exist: it names the service"});
}

void check_backend_ref(const OutboundBackendRef& ref, const std::string& path, Violations& violations) {
  if (ref.kind != "MeshService" && ref.kind != "MeshExternalService" && ref.kind != "MeshMultiZoneService")
    violations.push_back({path + ".kind", fmt::format("\"{}\" is no kind that traffic can go to; may be "
                                                      "MeshExternalService, MeshMultiZoneService or MeshService",
                                                      ref.kind)});
  if (ref.name.empty() && ref.labels.empty()) violations.push_back({path, "must have `name` or `labels`"});
  if (ref.kind != "MeshExternalService") check_port(ref.port, path + ".port", violations);
}

void check_outbound(const Outbound& outbound, const std::string& path, Violations& violations) {
  check_port(outbound.port, path + ".port", violations);
  check_optional_ip(outbound.address, "address", path, violations);
  if (outbound.backend_ref) {
    check_backend_ref(*outbound.backend_ref, path + ".backendRef", violations);
    if (!outbound.tags.empty()) violations.push_back({path + ".backendRef", "cannot stand together with tags"});
    return;
  }
  check_tags(outbound.tags, path + ".tags", false, violations);
  if (!outbound.tags.contains(kServiceTag))
    violations.push_back({path + ".tags", "the tag \"kuma.io/service\" is missing: it names the service to reach"});
}

void check_gateway(const Networking& networking, Violations& violations) {
  const Gateway& gateway = *networking.gateway;
  const bool builtin = gateway.type == GatewayType::BUILTIN;
  const std::string what = fmt::format("cannot be set for {} gateways", builtin ? "builtin" : "delegated");
  if (!networking.inbound.empty()) violations.push_back({"networking.inbound", "inbound " + what});
  if (builtin && !networking.outbound.empty()) violations.push_back({"networking.outbound", "outbound " + what});
  if (!networking.listeners.empty()) violations.push_back({"networking.listeners", "listeners " + what});
  const std::string tags = "networking.gateway.tags";
  if (const auto protocol = gateway.tags.find(kProtocolTag);
      protocol != gateway.tags.end() && protocol->second != "tcp")
    violations.push_back({at_key(tags, kProtocolTag),
                          fmt::format("a gateway's protocol can only be tcp, not \"{}\"", protocol->second)});
  check_tags(gateway.tags, tags, false, violations);
  const bool has_own_tags = gateway.tags.size() > gateway.tags.count(kZoneTag);
  if (has_own_tags && !gateway.tags.contains(kServiceTag))
    violations.push_back({tags, "the tag \"kuma.io/service\" is missing: it names the gateway's service"});
}

void check_listeners(const Networking& networking, Violations& violations) {
  std::set<std::string> names, places;
  for (const Inbound& inbound : networking.inbound) {
    names.insert(inbound.section_name());
    places.insert(fmt::format("{}:{}", inbound.address.empty() ? networking.address : inbound.address, inbound.port));
  }
  for (std::size_t i = 0; i < networking.listeners.size(); ++i) {
    const DataplaneListener& listener = networking.listeners[i];
    const std::string path = at_index("networking.listeners", i);
    if (listener.type == ListenerType::Unspecified)
      violations.push_back({path + ".type", "must be ZoneIngress or ZoneEgress"});
    check_address(listener.address, path + ".address", violations);
    check_port(listener.port, path + ".port", violations);
    if (!listener.name.empty() && !names.insert(listener.name).second)
      violations.push_back(
          {path + ".name", fmt::format("\"{}\" is the name of another listener or inbound", listener.name)});
    const std::string place = fmt::format("{}:{}", listener.address, listener.port);
    if (!places.insert(place).second)
      violations.push_back({path, fmt::format("{} is used by another listener or inbound", place)});
  }
}

void check_admin(const Networking& networking, Violations& violations) {
  const std::uint32_t port = networking.admin->port;
  const auto meets = [&](std::string_view address, std::uint32_t other) {
    return other == port && (address == kLoopback || address == "0.0.0.0" || address == "::");
  };
  for (const Inbound& inbound : networking.inbound) {
    const std::string& listens_at = inbound.address.empty() ? networking.address : inbound.address;
    const std::string& application = inbound.service_address.empty() ? listens_at : inbound.service_address;
    if (meets(listens_at, inbound.port) ||
        meets(application, inbound.service_port == 0 ? inbound.port : inbound.service_port)) {
      violations.push_back({"networking.admin.port", "must differ from the ports of inbounds"});
      break;
    }
  }
  for (const Outbound& outbound : networking.outbound) {
    if (!meets(outbound.address.empty() ? std::string_view(kLoopback) : outbound.address, outbound.port)) continue;
    violations.push_back({"networking.admin.port", "must differ from the ports of outbounds"});
    break;
  }
}

}  // namespace

void validate_dataplane(const AnySpec& spec, Violations& violations) {
  const auto* dataplane = spec.as<Dataplane>();
  if (dataplane == nullptr) return;
  const Networking& networking = dataplane->networking;
  if (networking.admin) check_admin(networking, violations);
  if (networking.gateway) check_gateway(networking, violations);
  check_address(networking.address, "networking.address", violations);
  if (!networking.advertised_address.empty())
    check_address(networking.advertised_address, "networking.advertisedAddress", violations);
  for (std::size_t i = 0; i < networking.inbound.size(); ++i)
    check_inbound(networking.inbound[i], networking, at_index("networking.inbound", i), violations);
  for (std::size_t i = 0; i < networking.outbound.size(); ++i)
    check_outbound(networking.outbound[i], at_index("networking.outbound", i), violations);
  if (!networking.gateway) check_listeners(networking, violations);
}

}  // namespace mesh
