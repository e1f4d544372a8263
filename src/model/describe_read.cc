#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>

#include "model/describe.h"

namespace mesh {
namespace {

namespace json = boost::json;
using described::store_integer;

std::string_view kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "boolean";
    case json::kind::int64:
    case json::kind::uint64: return "integer";
    case json::kind::double_: return "number";
    case json::kind::string: return "string";
    case json::kind::array: return "array";
    case json::kind::object: return "object";
  }
  return "value";
}

std::string quoted(const json::value& value) {
  if (!value.is_string()) return "a value of type " + std::string(kind_name(value));
  constexpr std::size_t limit = 60;  // enough to recognise it
  const std::string_view text = value.get_string();
  return fmt::format("\"{}{}\"", text.substr(0, limit), text.size() > limit ? "…" : "");
}

// One pass over a document. `path_` grows and shrinks with the walk.
class Reader {
 public:
  Reader(Dialect dialect, std::string path, std::vector<Violation>& violations)
      : dialect_(dialect), path_(std::move(path)), violations_(violations) {}

  void read(const TypeInfo& type, const json::value& value, void* target, const FieldRule& rule) {
    switch (type.shape) {
      case Shape::Text: return read_text(value, static_cast<std::string*>(target));
      case Shape::Bool:
        if (!value.is_bool()) return wrong_type("boolean", value);
        *static_cast<bool*>(target) = value.get_bool();
        return;
      case Shape::Signed:
      case Shape::Unsigned: return read_integer(type, value, target, rule);
      case Shape::Real: return read_real(value, static_cast<double*>(target), rule);
      case Shape::Enum: return read_enum(type, value, target);
      case Shape::Period: return read_duration(value, static_cast<Duration*>(target));
      case Shape::Instant: return read_time(value, static_cast<SystemTime*>(target));
      case Shape::Raw: *static_cast<json::value*>(target) = value; return;
      case Shape::Struct: return read_struct(type, value, target);
      case Shape::Optional:
        if (!value.is_null()) read(type.element(), value, type.add(target, {}), rule);
        return;
      case Shape::List: return read_list(type, value, target, rule);
      case Shape::Map: return read_map(type, value, target, rule);
    }
  }

 private:
  void refuse(std::string reason) { violations_.push_back({path_, std::move(reason)}); }
  void wrong_type(std::string_view wanted, const json::value& value) {
    refuse(fmt::format("in body must be of type {}, but is of type {}", wanted, kind_name(value)));
  }

  // Runs `action` with `part` appended to the path.
  template <class Action>
  void under(const std::string& part, Action action) {
    const std::size_t length = path_.size();
    if (!path_.empty() && !part.starts_with('[')) path_ += '.';
    path_ += part;
    action();
    path_.resize(length);
  }

  void read_text(const json::value& value, std::string* target) {
    if (!value.is_string()) return wrong_type("string", value);
    *target = std::string_view(value.get_string());
  }

  // The number that `value` stands for. Numbers in quotes are numbers in the flat dialect.
  std::optional<double> number(const json::value& value) const {
    if (value.is_int64()) return static_cast<double>(value.get_int64());
    if (value.is_uint64()) return static_cast<double>(value.get_uint64());
    if (value.is_double()) return value.get_double();
    if (dialect_ != Dialect::Flat || !value.is_string()) return std::nullopt;
    const std::string_view text = value.get_string();
    double parsed = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return parsed;
  }

  // The integer exactly, where a double would round.
  static std::optional<std::int64_t> exact_integer(const json::value& value, double approximate) {
    if (value.is_int64()) return value.get_int64();
    if (value.is_string()) {
      const std::string_view text = value.get_string();
      std::int64_t parsed = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
      if (error == std::errc() && end == text.data() + text.size()) return parsed;
    }
    if (std::floor(approximate) != approximate || std::abs(approximate) >= 9.2e18) return std::nullopt;
    return static_cast<std::int64_t>(approximate);
  }

  bool in_range(double value, double lowest, double highest) {
    if (value >= lowest && value <= highest) return true;
    refuse(fmt::format("must be in the range [{:.17g}, {:.17g}]", lowest, highest));
    return false;
  }

  void read_integer(const TypeInfo& type, const json::value& value, void* target, const FieldRule& rule) {
    const std::optional<double> approximate = number(value);
    if (!approximate) return wrong_type("integer", value);
    const int bits = static_cast<int>(type.size) * 8;
    const bool is_signed = type.shape == Shape::Signed;
    // 64 bit values are kept within int64: nothing in a resource is larger.
    const double highest = std::ldexp(1.0, std::min(is_signed ? bits - 1 : bits, 63)) - 1;
    const double lowest = is_signed ? -highest - 1 : 0;
    if (!in_range(*approximate, rule.min.value_or(lowest), rule.max.value_or(highest))) return;
    const std::optional<std::int64_t> exact = exact_integer(value, *approximate);
    if (!exact) return wrong_type("integer", value);
    store_integer(target, type.size, *exact);
  }

  void read_real(const json::value& value, double* target, const FieldRule& rule) {
    const std::optional<double> parsed = number(value);
    if (!parsed) return wrong_type("number", value);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (in_range(*parsed, rule.min.value_or(-infinity), rule.max.value_or(infinity))) *target = *parsed;
  }

  void read_enum(const TypeInfo& type, const json::value& value, void* target) {
    for (const auto& [name, number] : type.values) {
      const bool by_name = value.is_string() && value.get_string() == name;
      const bool by_number = dialect_ == Dialect::Flat && value.is_int64() && value.get_int64() == number;
      if (by_name || by_number) return store_integer(target, type.size, number);
    }
    std::string allowed;
    for (const auto& [name, number] : type.values) allowed += (allowed.empty() ? "" : " ") + name;
    refuse(fmt::format("in body should be one of [{}], but is {}", allowed, quoted(value)));
  }

  void read_duration(const json::value& value, Duration* target) {
    if (!value.is_string()) return wrong_type("string", value);
    if (const auto parsed = parse_duration(std::string_view(value.get_string())))
      *target = *parsed;
    else
      refuse(fmt::format("must be a duration such as \"5s\" or \"1h30m\", but is {}", quoted(value)));
  }

  void read_time(const json::value& value, SystemTime* target) {
    if (!value.is_string()) return wrong_type("string", value);
    if (const auto parsed = parse_time(std::string_view(value.get_string())))
      *target = *parsed;
    else
      refuse(fmt::format("must be a time such as \"2026-01-31T12:00:00Z\", but is {}", quoted(value)));
  }

  void read_struct(const TypeInfo& type, const json::value& value, void* target) {
    if (!value.is_object()) return wrong_type("object", value);
    const json::object& object = value.get_object();
    for (const FieldInfo& field : type.fields) {
      const json::value* found = object.if_contains(field.json);
      if (found == nullptr && dialect_ == Dialect::Flat) found = object.if_contains(field.member);
      if (found == nullptr || found->is_null()) {
        if (field.rule.required) under(field.json, [&] { refuse("in body is required"); });
        continue;
      }
      under(field.json, [&] { read(field.type(), *found, static_cast<char*>(target) + field.offset, field.rule); });
    }
  }

  void read_list(const TypeInfo& type, const json::value& value, void* target, const FieldRule& rule) {
    if (!value.is_array()) return wrong_type("array", value);
    std::size_t index = 0;
    for (const json::value& element : value.get_array())
      under(fmt::format("[{}]", index++), [&] { read(type.element(), element, type.add(target, {}), rule); });
  }

  void read_map(const TypeInfo& type, const json::value& value, void* target, const FieldRule& rule) {
    if (!value.is_object()) return wrong_type("object", value);
    for (const auto& [key, element] : value.get_object()) {
      const std::string name = key;
      under(fmt::format("[\"{}\"]", name), [&] { read(type.element(), element, type.add(target, name), rule); });
    }
  }

  Dialect dialect_;
  std::string path_;
  std::vector<Violation>& violations_;
};

}  // namespace

void read_described(const TypeInfo& type, const json::value& value, void* target, Dialect dialect,
                    const std::string& path, std::vector<Violation>& violations) {
  Reader(dialect, path, violations).read(type, value, target, FieldRule{});
}

}  // namespace mesh
