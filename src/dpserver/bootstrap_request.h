// What a sidecar asks for before it starts Envoy: the body of POST /bootstrap. The same from a stock sidecar and ours.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace mesh {

struct BootstrapRequest {
  ProxyId proxy;  // a Dataplane's when it says nothing of its type
  Secret token;
  std::string token_path;  // where Envoy can read it, on the sidecar's machine
  std::string dataplane;   // the document of the Dataplane that it brings; empty: the stored one
  std::string ca_pem;      // what the sidecar verified us by; empty: nothing
  std::string work_dir;
  std::string discovery_socket;  // our own sidecar carries discovery from there to us; empty: it does not
  std::vector<std::string> features;
  // The node's metadata that follow from the request, as the control plane gets them back from Envoy.
  std::string metadata_json;

  bool has_feature(std::string_view name) const;
};

// Invalid: it is no such request.
Result<BootstrapRequest> parse_bootstrap_request(std::string_view body);

}  // namespace mesh
