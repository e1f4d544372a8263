// What can be called by name: the services of this mesh, the same ones of several zones taken together, and what is
// outside. Their names and virtual addresses are found out by the control plane and stand in the status.
// https://kuma.io/docs/2.13.x/networking/meshservice/
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/dataplane.h"
#include "model/hostname_generator.h"
#include "model/resource.h"

namespace mesh {

extern const Kind kMeshServiceKind;
extern const Kind kMeshMultiZoneServiceKind;
extern const Kind kMeshExternalServiceKind;

struct Vip {
  std::string ip;

  friend bool operator==(const Vip&, const Vip&) = default;
};
BOOST_DESCRIBE_STRUCT(Vip, (), (ip))

// ---- MeshService

enum class ServiceState { Unavailable, Available };
BOOST_DESCRIBE_ENUM(ServiceState, Unavailable, Available)
enum class IdentityType { ServiceTag, SpiffeID };
BOOST_DESCRIBE_ENUM(IdentityType, ServiceTag, SpiffeID)
enum class TlsStatus { NotReady, Ready };
BOOST_DESCRIBE_ENUM(TlsStatus, NotReady, Ready)

struct DataplaneRef {
  std::string name;

  friend bool operator==(const DataplaneRef&, const DataplaneRef&) = default;
};
BOOST_DESCRIBE_STRUCT(DataplaneRef, (), (name))

struct ServiceSelector {
  std::optional<std::map<std::string, std::string>> dataplane_tags;  // all on one inbound
  std::optional<DataplaneRef> dataplane_ref;
  std::optional<LabelSelector> dataplane_labels;

  // One of its inbounds fits; a Dataplane without inbounds never does.
  bool selects(const Resource& dataplane) const;
  friend bool operator==(const ServiceSelector&, const ServiceSelector&) = default;
};
BOOST_DESCRIBE_STRUCT(ServiceSelector, (), (dataplane_tags, dataplane_ref, dataplane_labels))

struct ServicePort {
  std::optional<std::string> name;
  std::int32_t port = 0;
  boost::json::value target_port;  // the number or the name of an inbound; none: `port`
  std::string app_protocol = "tcp";

  std::string section_name() const;             // its name, or its number
  std::int64_t target_number() const;           // target_port where it is a number; else `port`
  bool leads_to(const Inbound& inbound) const;  // by target_port alone
  static constexpr std::array kRules = {FieldRule{.member = "port", .required = true}};
  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};
BOOST_DESCRIBE_STRUCT(ServicePort, (), (name, port, target_port, app_protocol))

struct ServiceIdentity {
  IdentityType type = IdentityType::ServiceTag;
  std::string value;

  static constexpr std::array kRules = {FieldRule{.member = "type", .required = true},
                                        FieldRule{.member = "value", .required = true}};
  friend bool operator==(const ServiceIdentity&, const ServiceIdentity&) = default;
};
BOOST_DESCRIBE_STRUCT(ServiceIdentity, (), (type, value))

struct MeshService {
  ServiceState state = ServiceState::Unavailable;
  ServiceSelector selector;
  std::vector<ServicePort> ports;
  std::vector<ServiceIdentity> identities;
};
BOOST_DESCRIBE_STRUCT(MeshService, (), (state, selector, ports, identities))

struct ServiceTls {
  TlsStatus status = TlsStatus::NotReady;

  friend bool operator==(const ServiceTls&, const ServiceTls&) = default;
};
BOOST_DESCRIBE_STRUCT(ServiceTls, (), (status))

struct ProxyTotals {
  std::optional<std::int32_t> connected, healthy, total;  // none for zero

  friend bool operator==(const ProxyTotals&, const ProxyTotals&) = default;
};
BOOST_DESCRIBE_STRUCT(ProxyTotals, (), (connected, healthy, total))

struct MeshServiceStatus {
  std::vector<ServiceHostname> addresses;
  std::vector<Vip> vips;
  ServiceTls tls;
  std::vector<GeneratorStatus> hostname_generators;
  ProxyTotals dataplane_proxies;
  std::vector<Condition> conditions;  // ours: that Dataplanes disagree on the ports, that no address is left

  friend bool operator==(const MeshServiceStatus&, const MeshServiceStatus&) = default;
};
BOOST_DESCRIBE_STRUCT(MeshServiceStatus, (), (addresses, vips, tls, hostname_generators, dataplane_proxies, conditions))

// ---- MeshMultiZoneService

struct MultiZonePort {
  std::optional<std::string> name;
  std::int32_t port = 0;
  std::string app_protocol = "tcp";

  std::string section_name() const;
  static constexpr std::array kRules = {FieldRule{.member = "port", .required = true}};
};
BOOST_DESCRIBE_STRUCT(MultiZonePort, (), (name, port, app_protocol))

struct MultiZoneSelector {
  LabelSelector mesh_service;

  static constexpr std::array kRules = {FieldRule{.member = "mesh_service", .required = true}};
};
BOOST_DESCRIBE_STRUCT(MultiZoneSelector, (), (mesh_service))

struct MeshMultiZoneService {
  MultiZoneSelector selector;
  std::vector<MultiZonePort> ports;

  static constexpr std::array kRules = {FieldRule{.member = "selector", .required = true},
                                        FieldRule{.member = "ports", .required = true}};
};
BOOST_DESCRIBE_STRUCT(MeshMultiZoneService, (), (selector, ports))

struct MatchedMeshService {
  std::string name, namespace_, zone, mesh;

  static constexpr std::array kRules = {
      FieldRule{.member = "name", .required = true}, FieldRule{.member = "namespace_", .required = true},
      FieldRule{.member = "zone", .required = true}, FieldRule{.member = "mesh", .required = true}};
  friend auto operator<=>(const MatchedMeshService&, const MatchedMeshService&) = default;
};
BOOST_DESCRIBE_STRUCT(MatchedMeshService, (), (name, namespace_, zone, mesh))

struct MeshMultiZoneServiceStatus {
  std::vector<ServiceHostname> addresses;
  std::vector<Vip> vips;
  std::vector<MatchedMeshService> mesh_services;
  std::vector<GeneratorStatus> hostname_generators;
  std::vector<Condition> conditions;  // MeshServicesMatched

  friend bool operator==(const MeshMultiZoneServiceStatus&, const MeshMultiZoneServiceStatus&) = default;
};
BOOST_DESCRIBE_STRUCT(MeshMultiZoneServiceStatus, (), (addresses, vips, mesh_services, hostname_generators, conditions))

// ---- MeshExternalService

enum class ExternalMatchType { HostnameGenerator };
BOOST_DESCRIBE_ENUM(ExternalMatchType, HostnameGenerator)
enum class ExternalProtocol { Tcp, Grpc, Http, Http2 };
BOOST_DESCRIBE_ENUM(ExternalProtocol, Tcp, Grpc, Http, Http2)
template <>
inline constexpr auto kEnumNames<ExternalProtocol> = std::to_array<std::string_view>({"tcp", "grpc", "http", "http2"});
enum class TlsVersion { TLSAuto, TLS10, TLS11, TLS12, TLS13 };
BOOST_DESCRIBE_ENUM(TlsVersion, TLSAuto, TLS10, TLS11, TLS12, TLS13)
enum class VerificationMode { Secured, SkipSAN, SkipCA, SkipAll };
BOOST_DESCRIBE_ENUM(VerificationMode, Secured, SkipSAN, SkipCA, SkipAll)
enum class SanMatchType { Exact, Prefix };
BOOST_DESCRIBE_ENUM(SanMatchType, Exact, Prefix)

struct ExternalMatch {
  ExternalMatchType type = ExternalMatchType::HostnameGenerator;
  std::int32_t port = 0;
  ExternalProtocol protocol_ = ExternalProtocol::Tcp;  // JSON: "protocol"

  static constexpr std::array kRules = {FieldRule{.member = "port", .required = true, .min = 1, .max = 65535}};
};
BOOST_DESCRIBE_STRUCT(ExternalMatch, (), (type, port, protocol_))

struct ExternalEndpoint {
  std::string address;  // IP or name
  std::int32_t port = 0;
  std::optional<std::uint32_t> priority;

  static constexpr std::array kRules = {FieldRule{.member = "address", .required = true},
                                        FieldRule{.member = "port", .required = true, .min = 1, .max = 65535},
                                        FieldRule{.member = "priority", .min = 0, .max = 128}};
};
BOOST_DESCRIBE_STRUCT(ExternalEndpoint, (), (address, port, priority))

struct TlsVersions {
  std::optional<TlsVersion> min, max;
};
BOOST_DESCRIBE_STRUCT(TlsVersions, (), (min, max))

struct SanMatch {
  SanMatchType type = SanMatchType::Exact;
  std::string value;

  static constexpr std::array kRules = {FieldRule{.member = "value", .required = true}};
};
BOOST_DESCRIBE_STRUCT(SanMatch, (), (type, value))

// Where PEM comes from: one of a Secret of the mesh, base64, and the text itself.
struct DataSource {
  std::optional<std::string> secret, inline_, inline_string;
};
BOOST_DESCRIBE_STRUCT(DataSource, (), (secret, inline_, inline_string))

struct TlsVerification {
  VerificationMode mode = VerificationMode::Secured;
  std::optional<std::string> server_name;
  std::optional<std::vector<SanMatch>> subject_alt_names;
  std::optional<DataSource> ca_cert, client_cert, client_key;
};
BOOST_DESCRIBE_STRUCT(TlsVerification, (), (mode, server_name, subject_alt_names, ca_cert, client_cert, client_key))

struct ExternalTls {
  bool enabled = false;
  std::optional<TlsVersions> version;
  bool allow_renegotiation = false;
  std::optional<TlsVerification> verification;
};
BOOST_DESCRIBE_STRUCT(ExternalTls, (), (enabled, version, allow_renegotiation, verification))

struct MeshExternalService {
  ExternalMatch match;
  std::optional<Extension> extension;  // then it is the extension's business what the rest holds
  std::vector<ExternalEndpoint> endpoints;
  std::optional<ExternalTls> tls;

  static constexpr std::array kRules = {FieldRule{.member = "match", .required = true}};
};
BOOST_DESCRIBE_STRUCT(MeshExternalService, (), (match, extension, endpoints, tls))

struct MeshExternalServiceStatus {
  Vip vip;
  std::vector<ServiceHostname> addresses;
  std::vector<GeneratorStatus> hostname_generators;
  std::vector<Condition> conditions;  // ours

  friend bool operator==(const MeshExternalServiceStatus&, const MeshExternalServiceStatus&) = default;
};
BOOST_DESCRIBE_STRUCT(MeshExternalServiceStatus, (), (vip, addresses, hostname_generators, conditions))

// ---- what all three have in common

// Its first virtual address; empty when it has none yet.
std::string vip_of(const Resource& service);
const std::vector<ServiceHostname>& hostnames_of(const Resource& service);
const std::vector<GeneratorStatus>& generators_of(const Resource& service);
// Labels of the peer's names for what is made here and not brought from another zone.
bool is_local(const Resource& service);

inline constexpr const char* kManagedByLabel = "kuma.io/managed-by";
inline constexpr const char* kServiceGenerator = "meshservice-generator";
inline constexpr const char* kDeletionGraceLabel = "kuma.io/deletion-grace-period-started-at";

}  // namespace mesh
