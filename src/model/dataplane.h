// One instance of a service and the proxy beside it.
// https://kuma.io/docs/2.13.x/production/dp-config/dpp-on-universal/
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/kind.h"

namespace mesh {

extern const Kind kDataplaneKind;

using Tags = std::map<std::string, std::string>;

inline constexpr const char* kServiceTag = "kuma.io/service";
inline constexpr const char* kProtocolTag = "kuma.io/protocol";
inline constexpr const char* kZoneTag = "kuma.io/zone";

enum class InboundState { Ready, NotReady, Ignored };
enum class GatewayType { DELEGATED, BUILTIN };

struct InboundHealth {
  bool ready = false;
};
struct Inbound {
  std::uint32_t port = 0;
  std::uint32_t service_port = 0;   // 0: the same as port
  std::string service_address;      // where the application listens; empty: the address of the proxy
  std::string address;              // where the proxy listens; empty: networking.address
  Tags tags;
  std::optional<InboundHealth> health;
  boost::json::value service_probe;
  InboundState state = InboundState::Ready;
  std::string name;

  const std::string& service() const;           // empty when the tag is missing
  std::string protocol() const;                 // "tcp" when not set
};
struct OutboundBackendRef {
  std::string kind;
  std::string name;
  std::map<std::string, std::string> labels;
  std::uint32_t port = 0;
};
struct Outbound {
  std::string address;  // empty: 127.0.0.1
  std::uint32_t port = 0;
  Tags tags;
  std::optional<OutboundBackendRef> backend_ref;

  const std::string& service() const;
};
struct Gateway {
  Tags tags;
  GatewayType type = GatewayType::DELEGATED;
};
struct EnvoyAdmin {
  std::uint32_t port = 0;
};
struct Networking {
  std::string address;
  std::string advertised_address;  // what others connect to, when not `address`
  std::optional<Gateway> gateway;
  std::vector<Inbound> inbound;
  std::vector<Outbound> outbound;
  boost::json::value transparent_proxying;
  std::optional<EnvoyAdmin> admin;
};

struct Dataplane {
  Networking networking;
  boost::json::value metrics, probes, envoy;

  const std::string& reachable_address() const;  // advertised_address or address
};

}  // namespace mesh
