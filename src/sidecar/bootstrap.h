// The bootstrap conversation as text: what we ask the control plane (`POST /bootstrap`, the peer's JSON, so that a
// stock one answers too), and what its answer means.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sidecar/envoy_binary.h"
#include "sidecar/proxy_resource.h"
#include "sidecar/settings.h"
#include "wire/client.h"

namespace mesh::sidecar {

// What the machine adds to the settings.
struct HostFacts {
  bool has_ipv6 = false;
  std::uint64_t max_memory_bytes = 0;  // 0: no limit
  std::string system_ca_path;
};
HostFacts read_host_facts();

struct BootstrapRequest {
  ProxyResource resource;
  EnvoyVersion envoy;  // empty: nobody asked it
  HostFacts host;
  Secret token;            // empty: none
  std::string token_path;  // where Envoy may read it again
  std::string ca_cert;
  std::string work_dir;          // absolute
  std::string discovery_socket;  // where Envoy can have its discovery from us; empty: nowhere
};
// Holds the token: never log it.
std::string bootstrap_request_json(const Settings& settings, const BootstrapRequest& request);

// Field of the request that offers the socket. A stock control plane overlooks it, and Envoy connects by itself.
inline constexpr const char* kDiscoverySocket = "taskmeshDiscoverySocket";

// Header of a control plane that hears Envoy's version from Envoy, and needs it from nobody else. In its answer to a
// bootstrap request; any value.
inline constexpr const char* kNeedsNoVersion = "taskmesh-needs-no-envoy-version";

struct Bootstrap {
  std::string envoy_yaml;          // for Envoy, as it is
  std::string admin_socket;        // a Unix socket, or
  SocketAddress admin_address;     // an address
  std::string networking_address;  // of the Dataplane, as the control plane sees it; may be empty
  bool needs_no_version = false;   // who answered
  bool uses_discovery_socket = false;
  std::shared_ptr<wire::KeptConnection> connection = nullptr;  // that it came by, for all streams; may be null
};
// `discovery_socket`: what was offered.
Result<Bootstrap> parse_bootstrap_answer(std::string_view body, std::string_view discovery_socket = {});

// What a refused request means, in words of a person. Invalid: asking again is useless.
Error explain_bootstrap_refusal(int status, std::string_view body, const std::string& cp_address);

}  // namespace mesh::sidecar
