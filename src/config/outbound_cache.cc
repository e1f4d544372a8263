#include "config/outbound_cache.h"

#include <algorithm>
#include <utility>

namespace mesh {
namespace {

// More kinds of callers at once are rare, and nothing is lost but time when they are forgotten.
constexpr std::size_t kMostCallers = 1024;

std::vector<std::weak_ptr<const Resource>> resources_of(const Caller& caller) {
  std::vector<std::weak_ptr<const Resource>> out(caller.policies.begin(), caller.policies.end());
  out.push_back(caller.mesh);
  return out;
}

}  // namespace

NamedResourcePtr SharedOutbounds::find(const std::string& origin, const std::shared_ptr<const BackendView>& backend) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find(origin);
  if (found == known_.end() || found->second.backend.lock() != backend) return nullptr;
  return found->second.resource.lock();
}

void SharedOutbounds::keep(const std::string& origin, const std::shared_ptr<const BackendView>& backend,
                           const NamedResourcePtr& resource) {
  const std::lock_guard lock(mutex_);
  known_.insert_or_assign(origin, Entry{backend, resource});
  if (known_.size() <= check_at_) return;
  std::erase_if(known_, [](const auto& entry) { return entry.second.resource.expired(); });
  check_at_ = std::max<std::size_t>(1024, known_.size() * 2);
}

std::size_t SharedOutbounds::size() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

std::shared_ptr<SharedOutbounds> OutboundCache::of(const Caller& caller) {
  Key key;
  key.reserve(caller.policies.size() + 2);
  key.push_back(caller.mesh.get());
  key.push_back(caller.ipv6 ? this : nullptr);
  for (const SharedResource& policy : caller.policies) key.push_back(policy.get());

  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  const auto is_there = [](const auto& resource) { return !resource.expired(); };
  // What is there still, and at this address, is what it was made from.
  if (found != entries_.end() && std::ranges::all_of(found->second.made_from, is_there)) return found->second.outbounds;
  drop_expired();
  auto outbounds = std::make_shared<SharedOutbounds>();
  entries_.insert_or_assign(std::move(key), Entry{resources_of(caller), outbounds});
  return outbounds;
}

std::size_t OutboundCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void OutboundCache::drop_expired() {
  std::erase_if(entries_, [](const auto& entry) {
    return std::ranges::any_of(entry.second.made_from, [](const auto& resource) { return resource.expired(); });
  });
  if (entries_.size() >= kMostCallers) entries_.clear();
}

}  // namespace mesh
