#include "base/address_range.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>

namespace mesh {

std::string format_ipv4(Ipv4 address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255);
}

std::optional<Ipv4> parse_ipv4(std::string_view text) {
  Ipv4 out = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    std::uint32_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc() || number > 255 || end - text.data() > 3) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    out = out << 8 | number;
  }
  return text.empty() ? std::optional(out) : std::nullopt;
}

Result<AddressRange> AddressRange::parse(std::string_view text) {
  if (text.contains(':'))
    return invalid("", fmt::format("\"{}\" is a range of IPv6 addresses; names lead to IPv4 addresses only", text));
  const std::size_t slash = text.find('/');
  const std::optional<Ipv4> address = parse_ipv4(text.substr(0, slash));
  const std::string_view length = slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  std::uint32_t bits = 0;
  const auto [end, failure] = std::from_chars(length.data(), length.data() + length.size(), bits);
  if (!address || failure != std::errc() || end != length.data() + length.size() || bits > 32)
    return invalid("", fmt::format("\"{}\" is no range of addresses; it takes the form 127.1.0.0/16", text));
  const Ipv4 rest = bits == 0 ? ~Ipv4{0} : static_cast<Ipv4>((std::uint64_t{1} << (32 - bits)) - 1);
  return AddressRange{*address & ~rest, *address | rest};
}

std::string AddressRange::to_string() const {
  return fmt::format("{}/{}", format_ipv4(first), 32 - std::bit_width(size() - 1));
}

}  // namespace mesh
