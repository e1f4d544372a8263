// What lies outside of the mesh: reached by the proxy itself, over TLS of its own making where it is asked to.
#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/extensions/transport_sockets/tls/v3/tls.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"
#include "config/parts.h"
#include "envoy/address.h"
#include "envoy/pack.h"
#include "model/secret.h"

namespace mesh::build {
namespace {

namespace tls = ::envoy::extensions::transport_sockets::tls::v3;
using envoy::Protocol;

bool is_name(const ExternalEndpoint& endpoint) { return !envoy::is_ip(endpoint.address); }

// What a DataSource holds. The error does not show it.
Result<std::string> read(const DataSource& source, const MeshSnapshot& snapshot, std::string_view what) {
  if (source.inline_string) return *source.inline_string;
  if (source.inline_) {
    auto bytes = base64_decode(*source.inline_);
    if (!bytes) return error(ErrorKind::Invalid, fmt::format("{}: `inline` is not base64", what));
    return *bytes;
  }
  const SharedResource* secret = source.secret ? snapshot.secrets.get(*source.secret) : nullptr;
  if (secret == nullptr)
    return error(ErrorKind::NotFound, fmt::format("{}: there is no Secret \"{}\"", what, source.secret.value_or("")));
  MESH_TRY(const Secret value, secret_value(**secret));
  return value.reveal();
}

tls::TlsParameters::TlsProtocol protocol_of(TlsVersion version) {
  switch (version) {
    case TlsVersion::TLSAuto: return tls::TlsParameters::TLS_AUTO;
    case TlsVersion::TLS10: return tls::TlsParameters::TLSv1_0;
    case TlsVersion::TLS11: return tls::TlsParameters::TLSv1_1;
    case TlsVersion::TLS12: return tls::TlsParameters::TLSv1_2;
    case TlsVersion::TLS13: return tls::TlsParameters::TLSv1_3;
  }
  return tls::TlsParameters::TLS_AUTO;
}

// Whom the other side's certificate has to name: as DNS name, address or URI, whichever it is.
void expect_name(const SanMatch& san, tls::CertificateValidationContext& validation) {
  for (const auto type :
       {tls::SubjectAltNameMatcher::DNS, tls::SubjectAltNameMatcher::URI, tls::SubjectAltNameMatcher::IP_ADDRESS}) {
    auto& matcher = *validation.add_match_typed_subject_alt_names();
    matcher.set_san_type(type);
    if (san.type == SanMatchType::Prefix)
      matcher.mutable_matcher()->set_prefix(san.value);
    else
      matcher.mutable_matcher()->set_exact(san.value);
  }
}

Status verify(const TlsVerification& wanted, const std::string& server_name, const Context& context,
              tls::CommonTlsContext& common) {
  // Without a CA names prove nothing.
  if (wanted.mode == VerificationMode::SkipAll || wanted.mode == VerificationMode::SkipCA) return {};
  auto& validation = *common.mutable_validation_context();
  if (wanted.ca_cert) {
    MESH_TRY(const std::string pem, read(*wanted.ca_cert, context.snapshot, "tls.verification.caCert"));
    validation.mutable_trusted_ca()->set_inline_bytes(pem);
  } else if (!context.traits.system_ca_path.empty()) {
    validation.mutable_trusted_ca()->set_filename(context.traits.system_ca_path);
  } else {
    return error(ErrorKind::Invalid,
                 "tls.verification.caCert is not given, and the sidecar knows of no certificate authorities of its "
                 "machine");
  }
  if (wanted.mode == VerificationMode::SkipSAN) return {};
  if (wanted.subject_alt_names && !wanted.subject_alt_names->empty()) {
    for (const SanMatch& san : *wanted.subject_alt_names) expect_name(san, validation);
  } else if (!server_name.empty()) {
    expect_name({SanMatchType::Exact, server_name}, validation);
  }
  return {};
}

Status originate_tls(const MeshExternalService& service, const Context& context, envoy::proto::Cluster& cluster) {
  const TlsVerification verification = service.tls->verification.value_or(TlsVerification());
  std::string server_name = verification.server_name.value_or("");
  if (server_name.empty() && is_name(service.endpoints.front())) server_name = service.endpoints.front().address;
  tls::UpstreamTlsContext upstream;
  auto& common = *upstream.mutable_common_tls_context();
  MESH_RETURN_IF_ERROR(verify(verification, server_name, context, common));
  if (verification.client_cert && verification.client_key && verification.mode != VerificationMode::SkipAll) {
    MESH_TRY(const std::string certificate,
             read(*verification.client_cert, context.snapshot, "tls.verification.clientCert"));
    MESH_TRY(const std::string key, read(*verification.client_key, context.snapshot, "tls.verification.clientKey"));
    auto& own = *common.add_tls_certificates();
    own.mutable_certificate_chain()->set_inline_bytes(certificate);
    own.mutable_private_key()->set_inline_bytes(key);
  }
  if (service.tls->version) {
    const TlsVersions& versions = *service.tls->version;
    if (versions.min) common.mutable_tls_params()->set_tls_minimum_protocol_version(protocol_of(*versions.min));
    if (versions.max) common.mutable_tls_params()->set_tls_maximum_protocol_version(protocol_of(*versions.max));
  }
  upstream.set_sni(server_name);
  upstream.set_allow_renegotiation(service.tls->allow_renegotiation);
  auto& socket = *cluster.mutable_transport_socket();
  socket.set_name("envoy.transport_sockets.tls");
  envoy::pack_any(upstream, *socket.mutable_typed_config());
  return {};
}

// Envoy wants priorities without gaps.
void add_endpoints(const MeshExternalService& service, envoy::proto::Cluster& cluster) {
  std::map<std::uint32_t, std::vector<const ExternalEndpoint*>> by_priority;
  for (const ExternalEndpoint& endpoint : service.endpoints)
    by_priority[endpoint.priority.value_or(0)].push_back(&endpoint);
  auto& assignment = *cluster.mutable_load_assignment();
  assignment.set_cluster_name(cluster.name());
  for (const auto& [priority, endpoints] : by_priority) {
    const auto rank = static_cast<std::uint32_t>(assignment.endpoints_size());
    auto& locality = *assignment.add_endpoints();
    locality.set_priority(rank);
    for (const ExternalEndpoint* endpoint : endpoints) {
      auto& one = *locality.add_lb_endpoints();
      envoy::set_address(endpoint->address, endpoint->port, *one.mutable_endpoint()->mutable_address());
      one.mutable_load_balancing_weight()->set_value(1);
    }
  }
}

envoy::proto::HttpProtocolOptions* make_options(Context& context, Protocol protocol) {
  if (!envoy::is_http(protocol)) return nullptr;
  auto* http = context.draft.make<envoy::proto::HttpProtocolOptions>();
  if (protocol == Protocol::Http)
    http->mutable_explicit_http_config()->mutable_http_protocol_options();
  else
    http->mutable_explicit_http_config()->mutable_http2_protocol_options();
  return http;
}

Status check(const MeshExternalService& service, const Context& context) {
  const auto& routing = context.snapshot.spec().routing;
  if (routing && routing->default_forbid_mesh_external_service_access)
    return error(ErrorKind::Denied,
                 "the Mesh forbids what is outside (routing.defaultForbidMeshExternalServiceAccess)");
  if (service.endpoints.empty()) return error(ErrorKind::Invalid, "it has no endpoints");
  for (const ExternalEndpoint& endpoint : service.endpoints)
    if (endpoint.address.empty() || endpoint.address.contains('/'))
      return error(ErrorKind::Invalid, fmt::format("\"{}\" is neither an address nor a name", endpoint.address));
  return {};
}

}  // namespace

bool has_names(const MeshExternalService& service) {
  return std::any_of(service.endpoints.begin(), service.endpoints.end(), is_name);
}

bool add_external_cluster(Context& context, const Destination& destination, envoy::Backend backend) {
  const auto& service = destination.backend->resource->spec_as<MeshExternalService>();
  auto* cluster = context.draft.make<envoy::proto::Cluster>();
  cluster->set_name(destination.cluster);
  const auto fill = [&]() -> Status {
    MESH_RETURN_IF_ERROR(check(service, context));
    add_endpoints(service, *cluster);
    if (service.tls && service.tls->enabled) return originate_tls(service, context, *cluster);
    return {};
  };
  if (const Status filled = fill(); !filled) {
    context.warnings.push_back(fmt::format("MeshExternalService \"{}\" is left out: {}", destination.backend->name(),
                                           filled.error().message()));
    return false;
  }
  using ::envoy::config::cluster::v3::Cluster;
  cluster->set_type(has_names(service) ? Cluster::STRICT_DNS : Cluster::STATIC);
  if (has_names(service)) {
    cluster->set_dns_lookup_family(context.traits.ipv6 ? Cluster::V4_PREFERRED : Cluster::V4_ONLY);
  }
  set_limits(*cluster);
  const Protocol protocol = envoy::parse_protocol(destination.port->protocol);
  context.draft.add_cluster({.role = envoy::Role::Outbound,
                             .backend = std::move(backend),
                             .protocol = protocol,
                             .shell = cluster,
                             .http = make_options(context, protocol)});
  return true;
}

}  // namespace mesh::build
