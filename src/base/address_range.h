// A range of IPv4 addresses, as settings name it: "127.1.0.0/16".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh {

using Ipv4 = std::uint32_t;  // in the order of its numbers: 127.0.0.1 is 0x7f000001

std::string format_ipv4(Ipv4 address);
std::optional<Ipv4> parse_ipv4(std::string_view text);  // exactly four decimal numbers

struct AddressRange {
  Ipv4 first = 0, last = 0;

  // Invalid: no range, or an IPv6 one. Bits of the address after the prefix do not count.
  static Result<AddressRange> parse(std::string_view text);

  std::uint64_t size() const { return std::uint64_t{last} - first + 1; }
  bool contains(Ipv4 address) const { return first <= address && address <= last; }
  bool overlaps(const AddressRange& other) const { return first <= other.last && other.first <= last; }
  bool is_loopback() const { return first >> 24 == 127 && last >> 24 == 127; }
  std::string to_string() const;
  friend bool operator==(const AddressRange&, const AddressRange&) = default;
};

}  // namespace mesh
