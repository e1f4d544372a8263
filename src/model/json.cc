#include "model/json.h"

#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace mesh {
namespace {

namespace json = boost::json;

std::string position(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const std::size_t line_start = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", line, offset - line_start + 1);
}

// What a person sees at `offset`.
std::string found_at(std::string_view text, std::size_t offset) {
  if (offset >= text.size()) return "the end of the text";
  const char c = text[offset];
  if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
    return fmt::format("byte 0x{:02x}", static_cast<unsigned char>(c));
  return fmt::format("'{}'", c);
}

class Printer {
 public:
  explicit Printer(int indent) : indent_(indent) {}

  void print(const json::value& value, int level) {
    switch (value.kind()) {
      case json::kind::object: return print_members(value.get_object(), level);
      case json::kind::array: return print_elements(value.get_array(), level);
      case json::kind::double_: out_ += print_number(value.get_double()); return;
      default: out_ += json::serialize(value);
    }
  }
  std::string take() { return std::move(out_); }

 private:
  void new_line(int level) {
    if (indent_ == 0) return;
    out_ += '\n';
    out_.append(static_cast<std::size_t>(level) * static_cast<std::size_t>(indent_), ' ');
  }

  void print_members(const json::object& object, int level) {
    if (object.empty()) {
      out_ += "{}";
      return;
    }
    char before = '{';
    for (const auto& [name, value] : object) {
      out_ += before;
      before = ',';
      new_line(level + 1);
      out_ += json::serialize(json::string(name));
      out_ += indent_ == 0 ? ":" : ": ";
      print(value, level + 1);
    }
    new_line(level);
    out_ += '}';
  }

  void print_elements(const json::array& array, int level) {
    if (array.empty()) {
      out_ += "[]";
      return;
    }
    char before = '[';
    for (const json::value& value : array) {
      out_ += before;
      before = ',';
      new_line(level + 1);
      print(value, level + 1);
    }
    new_line(level);
    out_ += ']';
  }

  int indent_;
  std::string out_;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, const DocumentLimits& limits) {
  if (text.size() > limits.bytes)
    return error(ErrorKind::TooLarge,
                 fmt::format("the document has {} bytes, more than the allowed {}", text.size(), limits.bytes));
  json::parse_options options;
  options.max_depth = limits.depth;
  json::parser parser({}, options);
  boost::system::error_code failure;
  const std::size_t consumed = parser.write_some(text.data(), text.size(), failure);
  if (failure == json::error::too_deep)
    return error(ErrorKind::TooLarge,
                 fmt::format("{}: nested deeper than the allowed {} levels", position(text, consumed), limits.depth));
  if (failure)
    return invalid(position(text, consumed),
                   fmt::format("not JSON: {}, found {}", failure.message(), found_at(text, consumed)));
  const std::size_t rest = text.find_first_not_of(" \t\r\n", consumed);
  if (rest != std::string_view::npos)
    return invalid(position(text, rest),
                   fmt::format("not JSON: the value has ended, but {} follows", found_at(text, rest)));
  return parser.release();
}

std::string print_json(const json::value& value, int indent) {
  Printer printer(indent);
  printer.print(value, 0);
  return printer.take();
}

std::string print_number(double value) {
  if (!std::isfinite(value)) return "null";
  if (value == 0) return "0";  // a whole number is read back as one, and those have no negative zero
  if (std::floor(value) == value && std::abs(value) < 1e15) return fmt::format("{:.0f}", value);
  return fmt::format("{}", value);
}

bool is_valid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char lead = byte(i);
    const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (length == 0 || text.size() - i < length) return false;
    std::uint32_t code = length == 1 ? lead : lead & (0xffU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      if (byte(i + k) >> 6 != 2) return false;
      code = (code << 6) | (byte(i + k) & 0x3fU);
    }
    constexpr std::uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < lowest[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += length;
  }
  return true;
}

}  // namespace mesh
