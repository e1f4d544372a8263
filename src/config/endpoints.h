// Which instances a cluster has, as Envoy is told. Many proxies are told the same: made once for each state of a
// service and each kind of client, and shared.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/bytes.h"
#include "config/build.h"
#include "snapshot/snapshot.h"

namespace mesh {

// What the answer depends on beside the service.
struct ClientView {
  std::string zone;               // of the client
  bool prefers_its_zone = false;  // others only when its own zone has nobody healthy
};

// A ClusterLoadAssignment. `service` may be null: nobody offers it.
NamedResource make_endpoints(const build::Destination& destination, const ServiceView* service, const ClientView& view);

// Thread-safe. Holds on to no service that is gone.
class EndpointCache {
 public:
  NamedResource get(const std::string& mesh, const build::Destination& destination,
                    const std::shared_ptr<const ServiceView>& service, const ClientView& view);
  std::size_t size() const;

 private:
  struct Entry {
    std::weak_ptr<const ServiceView> made_from;
    NamedResource resource;
  };
  void drop_expired();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;  // by mesh, cluster and view
  std::size_t check_at_ = 1024;
};

}  // namespace mesh
