// The REST interface that operators, the CLI and the web pages use: resources of every kind, what the control plane
// found out about proxies and services, and tokens. A request is read by `wire`, answered by a worker of this room
// (store calls may wait for a disk), and every answer is made by `Api::answer`, which knows no sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admission/access.h"
#include "admission/admission.h"
#include "api/proxy_config_source.h"
#include "base/clock.h"
#include "base/version.h"
#include "identity/tokens.h"
#include "model/kind.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/server.h"

namespace mesh {

struct ApiSettings {
  std::string product = kProduct;
  std::string version = kApiVersion;
  std::string based_on_kuma = kPeerVersion;  // whose clients work with us
  std::string tagline = {};
  std::string instance_id = {};
  std::string hostname = {};
  std::string gui_path = {};  // "/gui"; empty: there are no web pages
  std::string zone = "default";
  std::string dns_domain = "mesh";  // of `addressPort` in service insights
  int service_vip_port = 80;

  bool read_only = false;
  bool localhost_is_admin = true;
  bool accept_client_certificates = false;  // whoever shows one that the server verified is an admin
  bool enable_token_issuer = true;
  std::vector<std::string> cors_allowed_domains = {};  // origins; ".*" allows any. Empty: no CORS headers at all
  AccessSettings access = {};

  // The effective settings as JSON, secrets masked, for GET /config.
  std::function<std::string()> config_json = {};
};

// What the API works on. All of it must outlive the API.
struct ApiParts {
  Store& store;
  Admission& admission;
  const KindRegistry& kinds;
  const TokenIssuer& issuer;
  const TokenVerifier& verifier;
  const ProxyConfigSource* configs = nullptr;  // null: `_config` answers 404
  const Clock& clock;
  // Those of `policies`, all of one mesh, that select this Dataplane; within a kind the one that counts more later.
  std::function<std::vector<const Resource*>(const std::vector<Resource>& policies, const Resource& dataplane)>
      policies_for = [](const auto&, const auto&) { return std::vector<const Resource*>(); };
};

// Requests to responses. Thread-safe: it holds nothing that changes.
class Api {
 public:
  Api(ApiParts parts, ApiSettings settings);
  ~Api();
  wire::Response answer(const wire::Request& request) const;

 private:
  struct Rooms;
  std::unique_ptr<const Rooms> rooms_;
};

struct ApiListeners {
  bool http = true;
  std::string http_address = "0.0.0.0";
  int http_port = 5681;
  bool https = true;
  std::string https_address = "0.0.0.0";
  int https_port = 5682;
  wire::TlsServerSettings tls;
  wire::Limits limits;
  int workers = 4;
  std::size_t max_waiting = 1000;  // requests that wait for a worker; 503 beyond
};

// The same on sockets. Destroying it stops listening and lets running requests end.
class ApiServer {
 public:
  static Result<std::unique_ptr<ApiServer>> start(wire::EventLoop& loop, ApiParts parts, ApiSettings settings,
                                                  ApiListeners listeners);
  ~ApiServer();
  int http_port() const;  // 0: not listening
  int https_port() const;
  Status replace_tls(wire::TlsServerSettings tls);
  void drain(Duration grace);

 private:
  struct State;
  explicit ApiServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mesh
