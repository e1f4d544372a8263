// The file that Envoy is started with: who it is and how it reaches its control plane.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace mesh::envoy {

struct BootstrapSpec {
  ProxyId proxy;
  std::string service;  // Envoy's cluster name: the first kuma.io/service of the Dataplane
  // The node's metadata, one JSON object: what the control plane is to know of the proxy when it connects. The fields
  // that follow from this struct (dataplane.admin.*, dataplane.proxyType, features) are added.
  std::string metadata_json = "{}";
  std::string proxy_type = "dataplane";
  std::vector<std::string> features;

  // Envoy's admin API: on a Unix socket, or when that is empty on address and port. Port 0: none.
  std::string admin_address = "127.0.0.1";
  std::uint32_t admin_port = 0;
  std::string admin_socket;
  std::string admin_access_log = "/dev/null";

  // The control plane as the proxy reaches it. A name is resolved again and again; an IP address is used as it is.
  std::string control_plane_host;
  std::uint32_t control_plane_port = 5678;
  Duration connect_timeout = std::chrono::seconds(1);
  std::string ca_pem;  // who signed the control plane's certificate
  // Who runs beside the proxy and carries its streams to the control plane listens on this Unix socket: then the proxy
  // needs neither TLS nor a credential of its own. Empty: nobody, it connects by itself.
  std::string discovery_socket;

  // The credential that goes with every stream: the token itself, or the file that it is read from again and again
  // (then Envoy's own gRPC client is not used, but Google's). Neither: none.
  Secret token;
  std::string token_path;

  bool delta = false;             // incremental discovery; else the state of the world
  bool health_checks = true;      // let the control plane ask over HDS
  std::string access_log_socket;  // where TCP access logs are streamed to; empty: nowhere
};

// As JSON, which is YAML too. Invalid: the metadata is not a JSON object, or there is no CA.
Result<std::string> build_bootstrap(const BootstrapSpec& spec);

}  // namespace mesh::envoy
