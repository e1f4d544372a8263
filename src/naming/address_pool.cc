#include "naming/address_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mesh {

AddressPool::AddressPool(AddressRange range, Duration quarantine, std::vector<AddressRange> others)
    : range_(range),
      quarantine_(quarantine),
      others_(std::move(others)),
      gaps_{{range.first, range.last}},
      next_(range.first) {
  for (const Ipv4 reserved : {0x7f000000U, 0x7f000001U, 0x7fffffffU}) occupy(reserved);
  for (const AddressRange& other : others_) occupy(other.first, other.last);
}

bool AddressPool::is_ours(Ipv4 address) const {
  return range_.contains(address) &&
         std::ranges::none_of(others_, [&](const AddressRange& other) { return other.contains(address); });
}

bool AddressPool::set(Ipv4 address, const Holder* holder) {
  if (!is_ours(address)) return false;
  const auto before = holders_.find(address);
  if (holder != nullptr) {
    const auto other = by_owner_.find(holder->owner);
    if (other != by_owner_.end() && other->second != address) return false;
  }
  if (before != holders_.end()) {
    if (before->second.freed) freed_.erase({*before->second.freed, address});
    by_owner_.erase(before->second.owner);
    holders_.erase(before);
    vacate(address);
  }
  if (holder == nullptr) return true;
  occupy(address);
  holders_.emplace(address, *holder);
  by_owner_.emplace(holder->owner, address);
  if (holder->freed) freed_.emplace(*holder->freed, address);
  next_ = std::max(next_, std::uint64_t{address} + 1);
  return true;
}

Result<Ipv4> AddressPool::take(const std::string& owner) {
  if (const auto found = by_owner_.find(owner); found != by_owner_.end()) {
    Holder& holder = holders_.at(found->second);
    if (holder.freed) freed_.erase({*holder.freed, found->second});
    holder.freed.reset();
    return found->second;
  }
  const std::optional<Ipv4> address = next_free();
  if (!address)
    return error(ErrorKind::Unavailable,
                 fmt::format("the range {} is full: {} addresses are in use, and {} are kept back because someone may "
                             "still have them cached; use a larger range",
                             range_.to_string(), held(), kept_back()));
  occupy(*address);
  holders_.emplace(*address, Holder{owner, {}});
  by_owner_.emplace(owner, *address);
  next_ = std::uint64_t{*address} + 1;
  return *address;
}

std::optional<Ipv4> AddressPool::find(const std::string& owner) const {
  const auto found = by_owner_.find(owner);
  return found == by_owner_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Ipv4> AddressPool::release(const std::string& owner, SystemTime now) {
  const auto found = by_owner_.find(owner);
  if (found == by_owner_.end()) return std::nullopt;
  Holder& holder = holders_.at(found->second);
  if (holder.freed) return std::nullopt;
  holder.freed = now;
  freed_.emplace(now, found->second);
  return found->second;
}

std::vector<Ipv4> AddressPool::expire(SystemTime now) {
  std::vector<Ipv4> out;
  while (!freed_.empty() && freed_.begin()->first + quarantine_ <= now) {
    out.push_back(freed_.begin()->second);
    set(out.back(), nullptr);
  }
  return out;
}

std::optional<SystemTime> AddressPool::next_expiry() const {
  if (freed_.empty()) return std::nullopt;
  return freed_.begin()->first + std::chrono::duration_cast<SystemTime::duration>(quarantine_);
}

const AddressPool::Holder* AddressPool::holder_of(Ipv4 address) const {
  const auto found = holders_.find(address);
  return found == holders_.end() ? nullptr : &found->second;
}

std::vector<std::string> AddressPool::owners() const {
  std::vector<std::string> out;
  for (const auto& [address, holder] : holders_)
    if (!holder.freed) out.push_back(holder.owner);
  return out;
}

void AddressPool::each_between(Ipv4 first, Ipv4 last, const std::function<void(Ipv4, const Holder&)>& visit) const {
  for (auto each = holders_.lower_bound(first); each != holders_.end() && each->first <= last; ++each)
    visit(each->first, each->second);
}

void AddressPool::occupy(Ipv4 first, Ipv4 last) {
  auto gap = gaps_.upper_bound(first);
  if (gap != gaps_.begin()) --gap;
  while (gap != gaps_.end() && gap->first <= last) {
    const auto [from, to] = *gap;
    if (to < first) {
      ++gap;
      continue;
    }
    gap = gaps_.erase(gap);
    if (from < first) gaps_.emplace(from, first - 1);
    if (last < to) gap = gaps_.emplace(last + 1, to).first;
  }
}

void AddressPool::vacate(Ipv4 address) {
  Ipv4 first = address;
  Ipv4 last = address;
  const auto after = gaps_.upper_bound(address);
  if (after != gaps_.begin())
    if (const auto before = std::prev(after); std::uint64_t{before->second} + 1 == address) {
      first = before->first;
      gaps_.erase(before);
    }
  if (after != gaps_.end() && std::uint64_t{address} + 1 == after->first) {
    last = after->second;
    gaps_.erase(after);
  }
  gaps_.emplace(first, last);
}

std::optional<Ipv4> AddressPool::next_free() const {
  if (gaps_.empty()) return std::nullopt;
  if (next_ <= range_.last) {
    const Ipv4 from = static_cast<Ipv4>(next_);
    const auto after = gaps_.upper_bound(from);
    if (after != gaps_.begin() && std::prev(after)->second >= from) return from;
    if (after != gaps_.end()) return after->first;
  }
  return gaps_.begin()->first;
}

}  // namespace mesh
