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

// The views that a destination's endpoints come from: one of a service, one per source of a backend's port. Null:
// nobody is there.
using Views = std::vector<std::shared_ptr<const ServiceView>>;
Views views_of(const MeshSnapshot& snapshot, const build::Destination& destination);

// A ClusterLoadAssignment.
NamedResourcePtr make_endpoints(const build::Destination& destination, const Views& views, const ClientView& client);

// Thread-safe. Holds on to no service that is gone.
class EndpointCache {
 public:
  NamedResourcePtr get(const std::string& mesh, const build::Destination& destination, const Views& views,
                       const ClientView& client);
  std::size_t size() const;

 private:
  struct Entry {
    std::mutex mutex;  // guards what follows
    std::vector<std::weak_ptr<const ServiceView>> made_from;
    std::weak_ptr<const BackendView> backend;
    NamedResourcePtr resource;

    bool is_of(const build::Destination& destination, const Views& views) const;
  };
  std::shared_ptr<Entry> entry_of(const std::string& key);
  void drop_expired();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<Entry>> entries_;  // by mesh, cluster and view
  std::size_t check_at_ = 1024;
};

}  // namespace mesh
