#include "config/shared_resources.h"

#include <algorithm>
#include <utility>

namespace mesh {

NamedResourceList SharedResources::share(NamedResourceList fresh) {
  const std::lock_guard lock(mutex_);
  for (NamedResourcePtr& resource : fresh) {
    std::weak_ptr<const NamedResource>& known = known_[resource->version];
    NamedResourcePtr held = known.lock();
    // A version is a hash that is not made against intent: what is shared is compared.
    if (held != nullptr && held->name == resource->name && *held->body == *resource->body)
      resource = std::move(held);
    else if (held == nullptr)
      known = resource;
  }
  if (known_.size() > check_at_) drop_expired();
  return fresh;
}

std::size_t SharedResources::size() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

void SharedResources::drop_expired() {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  check_at_ = std::max<std::size_t>(4096, known_.size() * 2);
}

}  // namespace mesh
