#include "config/shared_bytes.h"

#include <algorithm>
#include <vector>

namespace mesh {

NamedResources SharedBytes::share(std::shared_ptr<std::vector<NamedResource>> fresh) {
  const std::lock_guard lock(mutex_);
  for (NamedResource& resource : *fresh) {
    std::weak_ptr<const std::string>& known = known_[resource.version];
    const Bytes held = known.lock();
    // A version is a hash that is not made against intent: what is shared is compared.
    if (held != nullptr && *held == *resource.body)
      resource.body = held;
    else if (held == nullptr)
      known = resource.body;
  }
  if (known_.size() > check_at_) drop_expired();
  return fresh;
}

std::size_t SharedBytes::size() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

void SharedBytes::drop_expired() {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  check_at_ = std::max<std::size_t>(4096, known_.size() * 2);
}

}  // namespace mesh
