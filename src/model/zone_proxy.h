// The proxies at the edge of a zone: traffic from other zones enters by an ingress, traffic to them (and to the
// outside) may leave by an egress. They belong to no mesh.
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/dataplane.h"
#include "model/describe.h"

namespace mesh {

extern const Kind kZoneIngressKind;
extern const Kind kZoneEgressKind;
extern const Kind kZoneIngressInsightKind;  // spec: DataplaneInsight
extern const Kind kZoneEgressInsightKind;

struct ZoneIngressNetworking {
  std::string address;             // where it listens
  std::string advertised_address;  // where other zones find it: both or none
  std::uint32_t port = 0;
  std::uint32_t advertised_port = 0;
  std::optional<EnvoyAdmin> admin;
};
BOOST_DESCRIBE_STRUCT(ZoneIngressNetworking, (), (address, advertised_address, port, advertised_port, admin))
// What can be reached through it: written by the control plane, for other zones.
struct AvailableService {
  Tags tags;
  std::uint32_t instances = 0;
  std::string mesh;
  bool external_service = false;
};
BOOST_DESCRIBE_STRUCT(AvailableService, (), (tags, instances, mesh, external_service))
struct ZoneIngress {
  std::string zone;  // empty: this control plane's
  ZoneIngressNetworking networking;
  std::vector<AvailableService> available_services;
};
BOOST_DESCRIBE_STRUCT(ZoneIngress, (), (zone, networking, available_services))

struct ZoneEgressNetworking {
  std::string address;
  std::uint32_t port = 0;
  std::optional<EnvoyAdmin> admin;
};
BOOST_DESCRIBE_STRUCT(ZoneEgressNetworking, (), (address, port, admin))
struct ZoneEgress {
  std::string zone;
  ZoneEgressNetworking networking;
};
BOOST_DESCRIBE_STRUCT(ZoneEgress, (), (zone, networking))

}  // namespace mesh
