// The Dataplane (or zone proxy) that this sidecar stands for: a template, its variables, and what we need to know of
// the result ourselves. The control plane checks the rest.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sidecar/settings.h"

namespace mesh::sidecar {

// Where something listens.
struct SocketAddress {
  std::string address;
  std::uint32_t port = 0;

  std::string to_string() const;  // "10.0.0.2:8080", "[::1]:8080"
  friend bool operator==(const SocketAddress&, const SocketAddress&) = default;
};

struct ProxyResource {
  std::string json = {};  // the whole document; empty: the control plane has it already
  std::string mesh;
  std::string name;
  std::vector<SocketAddress> inbounds = {};  // where Envoy will take connections from others
};

// `source` names where the text came from, for messages: a path, or "--dataplane".
Result<ProxyResource> render_proxy_resource(std::string_view text, const std::map<std::string, std::string>& variables,
                                            ProxyRole type, std::string_view source);

// Reads what the settings name. Without a template: only the name and the mesh.
Result<ProxyResource> load_proxy_resource(const Settings& settings);

}  // namespace mesh::sidecar
