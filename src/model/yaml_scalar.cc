#include <boost/json/string.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "model/yaml.h"

namespace mesh {
namespace {

constexpr std::array kTrue = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::array kFalse = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array kNull = {"", "~", "null", "Null", "NULL"};

template <std::size_t count>
bool is_one_of(const std::array<const char*, count>& words, std::string_view text) {
  return std::ranges::find(words, text) != words.end();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<boost::json::value> parse_integer(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = text[1];
    base = mark == 'x' || mark == 'X' ? 16 : mark == 'b' || mark == 'B' ? 2 : 8;
    text.remove_prefix(base != 8 || mark == 'o' || mark == 'O' ? 2 : 1);
  }
  std::uint64_t magnitude = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  constexpr std::uint64_t top = std::uint64_t{1} << 63;
  if (negative) {
    if (magnitude > top) return std::nullopt;
    return boost::json::value(static_cast<std::int64_t>(0 - magnitude));
  }
  if (magnitude < top) return boost::json::value(static_cast<std::int64_t>(magnitude));
  return boost::json::value(magnitude);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_a_float(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - start;
  };
  const auto sign = [&] {
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  };
  sign();
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (i < text.size() && text[i] == '.') {
    ++i;
    fraction = digits();
  }
  if (whole + fraction == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    sign();
    if (digits() == 0) return false;
  }
  return i == text.size();
}

}  // namespace

boost::json::value resolve_plain_scalar(std::string_view text) {
  if (is_one_of(kNull, text)) return nullptr;
  if (is_one_of(kTrue, text)) return true;
  if (is_one_of(kFalse, text)) return false;
  const char first = text.front();
  const bool may_be_number = is_digit(first) || first == '-' || first == '+' || first == '.';
  if (may_be_number && text.size() <= 400) {
    std::string number(text);
    std::erase(number, '_');
    if (const auto integer = parse_integer(number)) return *integer;
    if (looks_like_a_float(number)) {
      // strtod and not from_chars, which takes no leading "+". A value that is too large becomes infinite: text, then.
      const double value = std::strtod(number.c_str(), nullptr);
      if (std::isfinite(value)) return value;
    }
  }
  return boost::json::string(text);
}

}  // namespace mesh
