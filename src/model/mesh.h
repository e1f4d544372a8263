// The Mesh: a set of services that may talk to each other, its certificate authorities and its defaults.
// https://kuma.io/docs/2.13.x/reference/mesh/
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/value.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/describe.h"
#include "model/kind.h"

namespace mesh {

extern const Kind kMeshKind;

enum class TlsMode { STRICT, PERMISSIVE };
BOOST_DESCRIBE_ENUM(TlsMode, STRICT, PERMISSIVE)
enum class MeshServicesMode { Disabled, Everywhere, ReachableBackends, Exclusive };
BOOST_DESCRIBE_ENUM(MeshServicesMode, Disabled, Everywhere, ReachableBackends, Exclusive)

struct DpCertRotation {
  std::string expiration;  // such as "24h", "1d", "30m"; empty: 24h
};
BOOST_DESCRIBE_STRUCT(DpCertRotation, (), (expiration))
struct DpCert {
  std::optional<DpCertRotation> rotation;
  std::optional<std::string> request_timeout;
};
BOOST_DESCRIBE_STRUCT(DpCert, (), (rotation, request_timeout))
struct CaBackend {
  std::string name;
  std::string type;  // "builtin", "provided"
  std::optional<DpCert> dp_cert;
  boost::json::value conf;  // what it holds depends on the type
  TlsMode mode = TlsMode::STRICT;
  boost::json::value root_chain;
};
BOOST_DESCRIBE_STRUCT(CaBackend, (), (name, type, dp_cert, conf, mode, root_chain))
struct Mtls {
  std::string enabled_backend;  // empty: off
  std::vector<CaBackend> backends;
  bool skip_validation = false;
};
BOOST_DESCRIBE_STRUCT(Mtls, (), (enabled_backend, backends, skip_validation))
struct MeshOutbound {
  std::optional<bool> passthrough;
};
BOOST_DESCRIBE_STRUCT(MeshOutbound, (), (passthrough))
struct MeshNetworking {
  std::optional<MeshOutbound> outbound;
};
BOOST_DESCRIBE_STRUCT(MeshNetworking, (), (outbound))
struct Routing {
  bool locality_aware_load_balancing = false;
  bool zone_egress = false;
  bool default_forbid_mesh_external_service_access = false;
};
BOOST_DESCRIBE_STRUCT(Routing, (),
                      (locality_aware_load_balancing, zone_egress, default_forbid_mesh_external_service_access))
struct TagRules {
  std::map<std::string, std::string> tags;
};
BOOST_DESCRIBE_STRUCT(TagRules, (), (tags))
struct DataplaneConstraints {
  std::vector<TagRules> requirements;
  std::vector<TagRules> restrictions;
};
BOOST_DESCRIBE_STRUCT(DataplaneConstraints, (), (requirements, restrictions))
struct Constraints {
  std::optional<DataplaneConstraints> dataplane_proxy;
};
BOOST_DESCRIBE_STRUCT(Constraints, (), (dataplane_proxy))
struct MeshServices {
  MeshServicesMode mode = MeshServicesMode::Disabled;
};
BOOST_DESCRIBE_STRUCT(MeshServices, (), (mode))

struct Mesh {
  std::optional<Mtls> mtls;
  std::optional<MeshNetworking> networking;
  std::optional<Routing> routing;
  std::optional<Constraints> constraints;
  std::optional<MeshServices> mesh_services;
  std::vector<std::string> skip_creating_initial_policies;
  // Kept and shown, not acted on yet.
  boost::json::value tracing, logging, metrics;

  // The backend that issues certificates; null when mutual TLS is off.
  const CaBackend* enabled_ca() const;
};
BOOST_DESCRIBE_STRUCT(Mesh, (),
                      (mtls, tracing, logging, metrics, networking, routing, constraints,
                       skip_creating_initial_policies, mesh_services))

}  // namespace mesh
