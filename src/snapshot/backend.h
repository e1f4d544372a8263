// What can be called by a name of its own: a MeshService, MeshMultiZoneService or MeshExternalService, as far as the
// configuration of proxies depends on it. Made by the fold, replaced as a whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/shared_map.h"
#include "model/resource.h"
#include "model/service.h"

namespace mesh {

// Endpoints that a port leads to: those of one view that have these tags and this inbound.
struct EndpointSource {
  std::string view;  // a kuma.io/service, or the key of a MeshService that selects in another way
  Tags tags;
  std::uint32_t port = 0;  // of the inbound; 0: it is known by its name
  std::string inbound;

  friend bool operator==(const EndpointSource&, const EndpointSource&) = default;
};

struct BackendPort {
  std::uint32_t port = 0;
  std::string section;   // its name, or its number
  std::string protocol;  // "tcp", "http" …
  std::vector<EndpointSource> sources;

  friend bool operator==(const BackendPort&, const BackendPort&) = default;
};

struct BackendView {
  std::string key;  // backend_key()
  std::shared_ptr<const Resource> resource;
  std::string vip;  // empty: it has none yet
  std::vector<BackendPort> ports;
  std::vector<std::string> identities;  // values of kuma.io/service that its instances have certificates for
  std::vector<std::string> hostnames;
  std::string spec;  // of a MeshExternalService as text, to tell whether anything changed

  const std::string& name() const { return resource->key.name; }
  const Kind& kind() const { return *resource->key.kind; }
};

bool is_backend(const Kind& kind);
// "msvc/kv". Keys of kuma.io/service are "service/kv".
std::string backend_key(const Kind& kind, const std::string& name);
std::string service_key(const std::string& service);
// The kuma.io/service of a key; empty: the key of a backend.
std::string service_of_key(const std::string& key);

using Backends = SharedMap<std::string, std::shared_ptr<const BackendView>>;

// Of `others` a MeshMultiZoneService takes the MeshServices that it stands for.
std::shared_ptr<const BackendView> build_backend(const std::shared_ptr<const Resource>& resource,
                                                 const Backends& others);
// Proxies see no difference, but perhaps in names.
bool looks_the_same(const BackendView& a, const BackendView& b);
// Null: its endpoints are those of a kuma.io/service.
const ServiceSelector* selector_of_its_own(const BackendView& backend);

}  // namespace mesh
