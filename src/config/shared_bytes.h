// Equal resources of different proxies share their bytes: most clusters and outbound listeners of a mesh are the same
// for all who use them, and a control plane holds them for thousands of proxies.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/bytes.h"

namespace mesh {

// Thread-safe. Keeps nothing alive that nobody else holds.
class SharedBytes {
 public:
  // The resources, with bytes that others hold already where they are equal. Nobody else has `fresh` yet.
  NamedResources share(std::shared_ptr<std::vector<NamedResource>> fresh);
  std::size_t size() const;

 private:
  void drop_expired();

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::weak_ptr<const std::string>> known_;  // by version
  std::size_t check_at_ = 4096;
};

}  // namespace mesh
