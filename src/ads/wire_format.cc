#include "ads/wire_format.h"

namespace mesh::pb {

bool Reader::read_varint(std::uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return false;
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

std::optional<Field> Reader::fail() {
  failed_ = true;
  rest_ = {};
  return std::nullopt;
}

std::optional<Field> Reader::next() {
  if (rest_.empty()) return std::nullopt;
  std::uint64_t tag = 0;
  if (!read_varint(tag) || tag > UINT32_MAX || (tag >> 3) == 0) return fail();
  Field field{
      .number = static_cast<std::uint32_t>(tag >> 3), .type = static_cast<int>(tag & 7), .value = 0, .bytes = {}};
  std::size_t length = 0;
  switch (field.type) {
    case 0:
      if (!read_varint(field.value)) return fail();
      return field;
    case 1: length = 8; break;
    case 5: length = 4; break;
    case 2: {
      std::uint64_t size = 0;
      if (!read_varint(size) || size > rest_.size()) return fail();
      field.bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return field;
    }
    default: return fail();  // groups are long gone
  }
  if (rest_.size() < length) return fail();
  for (std::size_t i = 0; i < length; ++i) {
    field.value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
  }
  rest_.remove_prefix(length);
  return field;
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || text.size() - i <= static_cast<std::size_t>(more)) return false;
    std::uint32_t code = lead & (0x3fU >> more);
    for (int k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if ((next & 0xc0) != 0x80) return false;
      code = (code << 6) | (next & 0x3fU);
    }
    constexpr std::uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>((value & 0x7f) | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void append_tag(std::string& out, std::uint32_t number, int type) {
  append_varint(out, (static_cast<std::uint64_t>(number) << 3) | static_cast<std::uint64_t>(type));
}

void append_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  append_tag(out, number, 2);
  append_varint(out, bytes.size());
  out.append(bytes);
}

std::size_t varint_size(std::uint64_t value) {
  std::size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

}  // namespace mesh::pb
