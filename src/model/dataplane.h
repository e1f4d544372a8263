// One instance of a service and the proxy beside it.
// https://kuma.io/docs/2.13.x/production/dp-config/dpp-on-universal/
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/describe.h"
#include "model/kind.h"

namespace mesh {

extern const Kind kDataplaneKind;

using Tags = std::map<std::string, std::string>;

inline constexpr const char* kServiceTag = "kuma.io/service";
inline constexpr const char* kProtocolTag = "kuma.io/protocol";
inline constexpr const char* kZoneTag = "kuma.io/zone";

enum class InboundState { Ready, NotReady, Ignored };
BOOST_DESCRIBE_ENUM(InboundState, Ready, NotReady, Ignored)
enum class GatewayType { DELEGATED, BUILTIN };
BOOST_DESCRIBE_ENUM(GatewayType, DELEGATED, BUILTIN)

struct InboundHealth {
  bool ready = false;
};
BOOST_DESCRIBE_STRUCT(InboundHealth, (), (ready))
// How the control plane's health discovery has the application probed.
struct ServiceProbe {
  std::optional<Duration> interval, timeout;
  std::optional<std::uint32_t> unhealthy_threshold, healthy_threshold;
  boost::json::value tcp;
};
BOOST_DESCRIBE_STRUCT(ServiceProbe, (), (interval, timeout, unhealthy_threshold, healthy_threshold, tcp))
struct Inbound {
  std::uint32_t port = 0;
  std::uint32_t service_port = 0;  // 0: the same as port
  std::string service_address;     // where the application listens; empty: the address of the proxy
  std::string address;             // where the proxy listens; empty: networking.address
  Tags tags;
  std::optional<InboundHealth> health;
  std::optional<ServiceProbe> service_probe;
  InboundState state = InboundState::Ready;
  std::string name;
  std::string protocol_;  // JSON: "protocol"; used before the tag

  const std::string& service() const;  // empty when the tag is missing
  std::string protocol() const;        // from `protocol` or the tag; "tcp" when neither is set
  std::string section_name() const;    // its name, or its port
};
BOOST_DESCRIBE_STRUCT(Inbound, (),
                      (port, service_port, service_address, address, tags, health, service_probe, state, name,
                       protocol_))
struct OutboundBackendRef {
  std::string kind;
  std::string name;
  std::map<std::string, std::string> labels;
  std::uint32_t port = 0;
};
BOOST_DESCRIBE_STRUCT(OutboundBackendRef, (), (kind, name, port, labels))
struct Outbound {
  std::string address;  // empty: 127.0.0.1
  std::uint32_t port = 0;
  Tags tags;
  std::optional<OutboundBackendRef> backend_ref;

  const std::string& service() const;
};
BOOST_DESCRIBE_STRUCT(Outbound, (), (address, port, tags, backend_ref))
struct Gateway {
  Tags tags;
  GatewayType type = GatewayType::DELEGATED;
};
BOOST_DESCRIBE_STRUCT(Gateway, (), (tags, type))
struct EnvoyAdmin {
  std::uint32_t port = 0;
};
BOOST_DESCRIBE_STRUCT(EnvoyAdmin, (), (port))
// A listener of a Dataplane that serves a whole zone.
enum class ListenerType { Unspecified, ZoneIngress, ZoneEgress };
BOOST_DESCRIBE_ENUM(ListenerType, Unspecified, ZoneIngress, ZoneEgress)
enum class ListenerState { Ready, NotReady };
BOOST_DESCRIBE_ENUM(ListenerState, Ready, NotReady)
struct DataplaneListener {
  ListenerType type = ListenerType::Unspecified;
  std::string address;
  std::uint32_t port = 0;
  std::string name;
  ListenerState state = ListenerState::Ready;
};
BOOST_DESCRIBE_STRUCT(DataplaneListener, (), (type, address, port, name, state))
struct Networking {
  std::string address;
  std::string advertised_address;  // what others connect to, when not `address`
  std::optional<Gateway> gateway;
  std::vector<Inbound> inbound;
  std::vector<Outbound> outbound;
  boost::json::value transparent_proxying;
  std::optional<EnvoyAdmin> admin;
  std::vector<DataplaneListener> listeners;
};
BOOST_DESCRIBE_STRUCT(Networking, (),
                      (address, advertised_address, gateway, inbound, outbound, transparent_proxying, admin, listeners))

struct Dataplane {
  Networking networking;
  boost::json::value metrics, probes;

  const std::string& reachable_address() const;  // advertised_address or address

  static constexpr std::array kRules = {FieldRule{.member = "networking", .required = true}};
};
BOOST_DESCRIBE_STRUCT(Dataplane, (), (networking, metrics, probes))

}  // namespace mesh
