// Equal resources of different proxies are one: most clusters and outbound listeners of a mesh are the same for all who
// use them, and a control plane holds them for thousands of proxies.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/bytes.h"

namespace mesh {

// Thread-safe. Keeps nothing alive that nobody else holds.
class SharedResources {
 public:
  // The resources; where somebody holds an equal one already, that one.
  NamedResourceList share(NamedResourceList fresh);
  std::size_t size() const;

 private:
  void drop_expired();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<const NamedResource>> known_;  // by version
  std::size_t check_at_ = 4096;
};

}  // namespace mesh
