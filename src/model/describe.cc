#include "model/describe.h"

#include <cctype>
#include <cstring>

namespace mesh {
namespace {

template <class Narrow>
std::int64_t widen(const void* from) {
  Narrow value;
  std::memcpy(&value, from, sizeof(value));
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::string camel_case(std::string_view member) {
  std::string out;
  bool upper = false;
  for (const char c : member) {
    if (c == '_') {
      upper = true;
      continue;
    }
    out += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
    upper = false;
  }
  return out;
}

namespace described {

std::int64_t load_integer(const void* from, std::size_t size, bool is_signed) {
  switch (size) {
    case 1: return is_signed ? widen<std::int8_t>(from) : widen<std::uint8_t>(from);
    case 2: return is_signed ? widen<std::int16_t>(from) : widen<std::uint16_t>(from);
    case 4: return is_signed ? widen<std::int32_t>(from) : widen<std::uint32_t>(from);
    default: return widen<std::int64_t>(from);
  }
}

void store_integer(void* to, std::size_t size, std::int64_t value) {
  switch (size) {
    case 1: {
      const auto narrow = static_cast<std::int8_t>(value);
      std::memcpy(to, &narrow, size);
      break;
    }
    case 2: {
      const auto narrow = static_cast<std::int16_t>(value);
      std::memcpy(to, &narrow, size);
      break;
    }
    case 4: {
      const auto narrow = static_cast<std::int32_t>(value);
      std::memcpy(to, &narrow, size);
      break;
    }
    default: std::memcpy(to, &value, sizeof(value));
  }
}

FieldInfo make_field(const char* member, std::size_t offset, const TypeInfo& (*type)(),
                     std::span<const FieldRule> rules) {
  FieldInfo field{.member = member, .json = camel_case(member), .offset = offset, .type = type, .rule = {}};
  for (const FieldRule& rule : rules)
    if (rule.member == field.member) field.rule = rule;
  if (!field.rule.json.empty()) field.json = field.rule.json;
  return field;
}

std::string name_of(const TypeInfo& type, std::int64_t value) {
  for (const auto& [name, number] : type.values)
    if (number == value) return name;
  return std::to_string(value);
}

}  // namespace described
}  // namespace mesh
