#include "dpserver/bootstrap_service.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/encoding.h"
#include "base/files.h"
#include "base/log.h"
#include "envoy/bootstrap.h"
#include "identity/server_certificate.h"
#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/proxy.h"

namespace mesh {
namespace {

constexpr const char* kDeltaFeature = "feature-delta-grpc";
constexpr const char* kJson = "application/json";
// Our own sidecar need not run Envoy only to tell us its version: Envoy says it in its first request.
constexpr const char* kNeedsNoVersion = "taskmesh-needs-no-envoy-version";

// Paths of Unix sockets end at 108 bytes: long ones are cut, at the same place as the sidecar does.
std::string socket_path(std::string path) {
  constexpr std::size_t kLongest = 98;
  if (path.size() > kLongest) path.resize(kLongest);
  return path + ".sock";
}

std::string in_folder(const std::string& folder, const std::string& name) {
  if (folder.empty()) return name;
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

// What Envoy calls the cluster that it is a part of.
std::string service_of(const Resource& resource, ProxyRole type) {
  if (type != ProxyRole::Dataplane) return std::string(proxy_type_name(type));
  const Dataplane& dataplane = resource.spec_as<Dataplane>();
  if (dataplane.networking.gateway) {
    const auto& tags = dataplane.networking.gateway->tags;
    if (const auto service = tags.find(kServiceTag); service != tags.end()) return service->second;
  }
  for (const Inbound& inbound : dataplane.networking.inbound) {
    if (!inbound.service().empty()) return inbound.service();
  }
  return "unknown";
}

// The sidecar goes on trying on 5xx and on a 404 without a body (its Dataplane may be about to come); everything else
// ends it, with our words.
wire::Response refuse(const Error& error) {
  wire::Response response;
  switch (error.kind) {
    case ErrorKind::Invalid: response.status = error.violations.empty() && error.where.empty() ? 400 : 422; break;
    case ErrorKind::NotFound: response.status = 404; return response;
    case ErrorKind::Unauthenticated: response.status = 401; break;
    case ErrorKind::Denied: response.status = 403; break;
    case ErrorKind::TooLarge: response.status = 413; break;
    case ErrorKind::Conflict:
    case ErrorKind::Unavailable: response.status = 503; break;
    case ErrorKind::Internal: response.status = 500; break;
  }
  response.headers.add("content-type", "text/plain; charset=utf-8");
  response.body = error.message();
  return response;
}

wire::Response accept(const BootstrapAnswer& answer, bool as_json) {
  wire::Response response;
  response.headers.add(kNeedsNoVersion, "1");
  if (!as_json) {  // the oldest sidecars want only the file
    response.headers.add("content-type", "text/x-yaml");
    response.body = answer.envoy;
    return response;
  }
  const boost::json::value corefile =
      answer.corefile.empty() ? boost::json::value(nullptr) : boost::json::value(base64_encode(answer.corefile));
  const boost::json::value body = {{"bootstrap", base64_encode(answer.envoy)},
                                   {"kumaSidecarConfiguration",
                                    {{"networking", {{"corefileTemplate", corefile}, {"address", answer.address}}},
                                     {"metrics", {{"aggregate", boost::json::array()}}}}}};
  response.headers.add("content-type", kJson);
  response.body = boost::json::serialize(body);
  return response;
}

}  // namespace

std::string host_without_port(std::string_view host) {
  if (host.starts_with('[')) return std::string(host.substr(1, host.find(']') - 1));
  const auto colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(':') == colon) host = host.substr(0, colon);
  return std::string(host);
}

BootstrapService::BootstrapService(BootstrapParams params, const Gatekeeper& gatekeeper, const Store& store,
                                   WorkerGroups& workers, const Published<std::string>& certificate)
    : params_(std::move(params)),
      gatekeeper_(gatekeeper),
      store_(store),
      workers_(workers),
      certificate_(certificate) {}

void BootstrapService::handle(wire::Request request, wire::Respond respond) const {
  auto parsed = parse_bootstrap_request(request.body);
  if (!parsed) {
    wire::Response response = refuse(parsed.error());
    response.status = parsed.error().kind == ErrorKind::TooLarge ? 413 : 400;
    return respond(std::move(response));
  }
  const auto accepts = request.headers.find("accept");
  const bool as_json = accepts && accepts->find(kJson) != std::string_view::npos;
  const auto host = host_without_port(request.headers.find("host").value_or(""));
  // Shared, so that it can be answered when the workers do not take the task.
  auto answer_to = std::make_shared<wire::Respond>(std::move(respond));
  const std::size_t bytes = 2 * request.body.size();  // the document is in it twice, once in the metadata
  const bool would_wait = gatekeeper_.authenticator(parsed->proxy.type).would_wait(parsed->token);
  const bool taken =
      workers_.of(would_wait)
          .run(
              [this, asked = std::move(*parsed), host, as_json, answer_to, from = request.peer.address]() {
                auto answered = answer(asked, host, from);
                if (!answered) {
                  MESH_LOG_INFO("dpserver", "bootstrap of {} at {} was refused: {}", asked.proxy.node_id(), from,
                                answered.error().message());
                  return (*answer_to)(refuse(answered.error()));
                }
                (*answer_to)(accept(*answered, as_json));
              },
              bytes);
  if (!taken) (*answer_to)(refuse(error(ErrorKind::Unavailable, "too many proxies start at once; try again later")));
}

Result<BootstrapAnswer> BootstrapService::answer(const BootstrapRequest& request, const std::string& host,
                                                 const std::string& source) const {
  const ProxyRole type = request.proxy.type;
  const Authenticator& authenticator = gatekeeper_.authenticator(type);
  if (authenticator.needs_credential() && request.token.empty() && request.token_path.empty()) {
    if (authenticator.credentials_expire()) return invalid("authentication", authenticator.what_is_missing());
    const std::string kind = type == ProxyRole::Dataplane ? "dataplane" : "zone";
    return invalid("dataplaneToken",
                   fmt::format("a {0} token is required; make one with \"generate {0}-token\" and give its file to the "
                               "sidecar by --dataplane-token-file",
                               kind));
  }
  if (params_.xds_host.empty()) MESH_RETURN_IF_ERROR(check_host(host));
  MESH_TRY(const Resource resource, find_resource(request));
  if (!request.token.empty()) MESH_RETURN_IF_ERROR(authenticator.authenticate(resource, request.token, source));

  envoy::BootstrapSpec bootstrap;
  bootstrap.proxy = request.proxy;
  bootstrap.service = service_of(resource, type);
  bootstrap.metadata_json = request.metadata_json;
  bootstrap.proxy_type = std::string(proxy_type_name(type));
  bootstrap.features = request.features;
  bootstrap.admin_address = params_.admin_address;
  const std::uint32_t admin_port = admin_port_of(resource);
  bootstrap.admin_port = admin_port != 0 ? admin_port : params_.admin_port;
  if (params_.admin_unix_socket && !request.work_dir.empty()) {
    bootstrap.admin_socket = socket_path(in_folder(request.work_dir, "kuma-envoy-admin"));
  }
  bootstrap.admin_access_log = params_.admin_access_log_path;
  bootstrap.control_plane_host = params_.xds_host.empty() ? host : params_.xds_host;
  bootstrap.control_plane_port = params_.xds_port;
  bootstrap.connect_timeout = params_.xds_connect_timeout;
  MESH_TRY(bootstrap.ca_pem, authority_for(request));
  if (params_.may_carry_discovery) bootstrap.discovery_socket = request.discovery_socket;
  const bool must_reload = params_.reloadable_tokens || authenticator.credentials_expire();
  if (must_reload && !request.token_path.empty()) {
    bootstrap.token_path = request.token_path;
  } else {
    bootstrap.token = request.token;
  }
  bootstrap.delta = request.has_feature(kDeltaFeature);
  bootstrap.health_checks = params_.health_checks && type == ProxyRole::Dataplane;
  bootstrap.access_log_socket =
      socket_path(in_folder(request.work_dir, fmt::format("kuma-al-{}-{}", request.proxy.name, request.proxy.mesh)));

  BootstrapAnswer answer{.envoy = {}, .address = proxy_address(resource), .corefile = {}};
  MESH_TRY(answer.envoy, envoy::build_bootstrap(bootstrap));
  if (!params_.corefile_template_path.empty()) {
    MESH_TRY(answer.corefile, read_file(params_.corefile_template_path, 1UL << 20));
  }
  return answer;
}

Result<Resource> BootstrapService::find_resource(const BootstrapRequest& request) const {
  if (request.dataplane.empty()) return gatekeeper_.find_resource(request.proxy);
  MESH_TRY(Resource dataplane, gatekeeper_.read_resource(request.dataplane, request.proxy));
  if (request.proxy.type != ProxyRole::Dataplane) return dataplane;
  const auto found = store_.get({&kMeshKind, {}, dataplane.key.mesh});
  if (!found && found.error().kind == ErrorKind::NotFound) {
    return Error{ErrorKind::Invalid,
                 {},
                 "the Dataplane is not valid",
                 {{"mesh", fmt::format("there is no mesh \"{}\"", dataplane.key.mesh)}}};
  }
  if (!found) return found.error();
  return dataplane;
}

// Envoy will connect to the address that the sidecar used, and compare it with our certificate.
Status BootstrapService::check_host(const std::string& host) const {
  const auto certificate = certificate_.get();
  const auto known = good_.get();
  if (known && known->certificate == certificate && known->host == host) return {};
  MESH_TRY(const bool is_ours, is_certificate_for(*certificate, host));
  if (is_ours) {
    good_.set(std::make_shared<const Good>(Good{certificate, host, known ? known->authority : std::string()}));
    return {};
  }
  MESH_TRY(const ServerNames names, server_names_of(*certificate));
  return error(
      ErrorKind::Invalid,
      fmt::format("the control plane was asked for as \"{}\", but its certificate is for {}, {}; use one of these in "
                  "--cp-address, or give the control plane a certificate for \"{}\"",
                  host, fmt::join(names.addresses, ", "), fmt::join(names.dns_names, ", "), host));
}

Result<std::string> BootstrapService::authority_for(const BootstrapRequest& request) const {
  const std::string pem = request.ca_pem.empty() ? *certificate_.get() : request.ca_pem;
  const auto known = good_.get();
  if (known && known->authority == pem) return pem;
  const auto good = may_be_authority(pem);
  if (!good) return error(ErrorKind::Invalid, "the CA certificate that the sidecar uses cannot be read");
  if (!*good) {
    return error(
        ErrorKind::Invalid,
        "the sidecar verifies the control plane by a certificate that is no authority (basic constraint CA is false); "
        "give it the certificate of the CA that signed the control plane's, by --ca-cert-file or "
        "KUMA_CONTROL_PLANE_CA_CERT");
  }
  good_.set(std::make_shared<const Good>(
      Good{known ? known->certificate : nullptr, known ? known->host : std::string(), pem}));
  return pem;
}

}  // namespace mesh
