// Who has which virtual address of one range. An address once given stays with its owner, and when the owner goes it is
// kept back for a while: someone may still have it cached, and must not reach another service. Then it is the last that
// is given again: addresses are handed out in a circle.
//
// What is free is a map of gaps, so that a range may be as large as it likes, and giving, releasing and finding the
// next free one take time in proportion to the logarithm of the number of gaps.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address_range.h"
#include "base/clock.h"

namespace mesh {

class AddressPool {
 public:
  // Addresses that a machine has other uses for are never given: 127.0.0.0, 127.0.0.1, 127.255.255.255. Nor are those
  // of `others`: ranges inside of this one that have pools of their own.
  AddressPool(AddressRange range, Duration quarantine, std::vector<AddressRange> others = {});

  struct Holder {
    std::string owner;
    std::optional<SystemTime> freed;  // kept back since

    friend bool operator==(const Holder&, const Holder&) = default;
  };

  // What was written down before: sets or (nullptr) forgets the holder of an address. False when the address is not in
  // the range, or the owner has another one already, and nothing was done.
  bool set(Ipv4 address, const Holder* holder);

  // The owner's address: the one it has, the one it had when that is still kept back, or the next free one. Unavailable
  // when there is none, and why.
  Result<Ipv4> take(const std::string& owner);
  std::optional<Ipv4> find(const std::string& owner) const;  // also one that is kept back
  std::optional<Ipv4> release(const std::string& owner, SystemTime now);
  // Addresses that were kept back long enough are free from now on.
  std::vector<Ipv4> expire(SystemTime now);
  std::optional<SystemTime> next_expiry() const;

  const Holder* holder_of(Ipv4 address) const;
  const AddressRange& range() const { return range_; }
  std::size_t held() const { return holders_.size() - freed_.size(); }
  std::size_t kept_back() const { return freed_.size(); }
  std::vector<std::string> owners() const;  // that hold one now
  // In order of the addresses from `first` to `last`.
  void each_between(Ipv4 first, Ipv4 last, const std::function<void(Ipv4, const Holder&)>& visit) const;

 private:
  bool is_ours(Ipv4 address) const;
  void occupy(Ipv4 first, Ipv4 last);
  void occupy(Ipv4 address) { occupy(address, address); }
  void vacate(Ipv4 address);
  std::optional<Ipv4> next_free() const;

  const AddressRange range_;
  const Duration quarantine_;
  const std::vector<AddressRange> others_;
  std::map<Ipv4, Ipv4> gaps_;  // first → last of what is free
  std::map<Ipv4, Holder> holders_;
  std::unordered_map<std::string, Ipv4> by_owner_;
  std::set<std::pair<SystemTime, Ipv4>> freed_;
  std::uint64_t next_ = 0;  // where the search goes on: after the last that was given
};

}  // namespace mesh
