// The clusters and listeners of outbounds. Who calls a service under the same policies gets the same ones, most often
// hundreds of proxies: made once, and shared.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "snapshot/snapshot.h"

namespace mesh {

// What all outbounds of a proxy depend on, beside what each of them is.
struct Caller {
  SharedResource mesh;                   // kind Mesh
  std::vector<SharedResource> policies;  // Say::outbounds of every kind
  bool ipv6 = true;
};

// What was made for one kind of caller. Thread-safe. Keeps nothing alive that no proxy has.
class SharedOutbounds {
 public:
  // `origin`: everything about the outbound that its resource depends on, but for its backend (null: a
  // kuma.io/service).
  // Null: it is not known.
  NamedResourcePtr find(const std::string& origin, const std::shared_ptr<const BackendView>& backend);
  void keep(const std::string& origin, const std::shared_ptr<const BackendView>& backend,
            const NamedResourcePtr& resource);
  std::size_t size() const;

 private:
  struct Entry {
    std::weak_ptr<const BackendView> backend;
    std::weak_ptr<const NamedResource> resource;
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry> known_;  // by origin
  std::size_t check_at_ = 1024;
};

// Thread-safe. Forgets what came of a Mesh or a policy that is no more.
class OutboundCache {
 public:
  std::shared_ptr<SharedOutbounds> of(const Caller& caller);
  std::size_t size() const;

 private:
  struct Entry {
    std::vector<std::weak_ptr<const Resource>> made_from;
    std::shared_ptr<SharedOutbounds> outbounds;
  };
  using Key = std::vector<const void*>;  // where those are: when they are gone, others may be there
  void drop_expired();

  mutable std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

}  // namespace mesh
