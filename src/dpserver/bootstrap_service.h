// Answers POST /bootstrap: checks who asks, and gives the file that Envoy is started with.
#pragma once

#include <memory>
#include <string>

#include "base/published.h"
#include "dpserver/bootstrap_request.h"
#include "dpserver/gatekeeper.h"
#include "dpserver/workers.h"
#include "wire/http.h"

namespace mesh {

// What a bootstrap answer says beside what the sidecar asked for (KUMA_BOOTSTRAP_SERVER_PARAMS_*).
struct BootstrapParams {
  std::string admin_address = "127.0.0.1";
  std::uint32_t admin_port = 9901;  // of Dataplanes that name none
  std::string admin_access_log_path = "/dev/null";
  bool admin_unix_socket = true;    // in the sidecar's working directory, when it names one
  std::string xds_host;             // empty: the host that the sidecar asked
  std::uint32_t xds_port = 0;       // 0: the port that is listened on
  bool may_carry_discovery = true;  // false: discovery has another address than the bootstrap
  Duration xds_connect_timeout = std::chrono::seconds(1);
  std::string corefile_template_path;  // empty: none
  bool reloadable_tokens = false;      // Envoy reads the token's file anew, when the sidecar names one
  bool health_checks = true;           // Envoy opens a health stream
};

struct BootstrapAnswer {
  std::string envoy;     // JSON, which is YAML too
  std::string address;   // of the proxy
  std::string corefile;  // template; may be empty
};

// Thread-safe.
class BootstrapService {
 public:
  // `certificate` is what this port shows to its clients, PEM.
  BootstrapService(BootstrapParams params, const Gatekeeper& gatekeeper, const Store& store, WorkerGroups& workers,
                   const Published<std::string>& certificate);

  void handle(wire::Request request, wire::Respond respond) const;

  // May block. `host` is the one that the sidecar asked, without its port.
  // `source` is the address that it comes from.
  Result<BootstrapAnswer> answer(const BootstrapRequest& request, const std::string& host,
                                 const std::string& source = {}) const;

 private:
  // What was found good last. Most sidecars ask by the same name and bring the same CA, and reading certificates is the
  // most expensive part of an answer.
  struct Good {
    std::shared_ptr<const std::string> certificate;
    std::string host;  // that it is for
    std::string authority;
  };

  Status check_host(const std::string& host) const;
  Result<std::string> authority_for(const BootstrapRequest& request) const;
  Result<Resource> find_resource(const BootstrapRequest& request) const;

  const BootstrapParams params_;
  const Gatekeeper& gatekeeper_;
  const Store& store_;
  WorkerGroups& workers_;
  const Published<std::string>& certificate_;
  mutable Published<Good> good_;
};

// "host:port", "[::1]:port" or "host" → host.
std::string host_without_port(std::string_view host);

}  // namespace mesh
