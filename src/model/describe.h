// A kind is described once: a plain struct with BOOST_DESCRIBE_STRUCT beside it (and BOOST_DESCRIBE_ENUM beside its
// enums). From that come reading with exact field paths and all violations at once, printing, and whatever else walks
// a type (settings, reference pages). Members are snake_case, documents camelCase; a trailing underscore is dropped
// (`namespace_` is "namespace").
//
// A described struct may hold: std::string, bool, integers, double, Duration ("5s"), SystemTime (RFC 3339), enums,
// other described structs, boost::json::value (kept as it is), and std::optional, std::vector and
// std::map<std::string, …> of these. What C++ does not say of a member is said by a static array in the struct:
//
//   static constexpr std::array kRules = {FieldRule{.member = "kind", .required = true}};
//
// The templates here only collect facts into tables; the work is done once, in describe.cc.
#pragma once

#include <boost/describe/bases.hpp>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#include <boost/json/value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/kind.h"

namespace mesh {

struct FieldRule {
  std::string_view member;     // as in C++
  std::string_view json = {};  // its name in documents, where the rule above does not give it ("mTLS")
  bool required = false;
  std::optional<double> min = {}, max = {};  // of a number, or of each element
};

// The values of an enum in documents, in the order of the enumerators, where they cannot be C++ names.
template <class E>
inline constexpr auto kEnumNames = std::array<std::string_view, 0>{};

struct TypeInfo;

struct FieldInfo {
  std::string member;  // "service_port"
  std::string json;    // "servicePort"
  std::size_t offset = 0;
  const TypeInfo& (*type)() = nullptr;  // called late, so that a type may contain itself
  FieldRule rule;
};

enum class Shape { Text, Bool, Signed, Unsigned, Real, Enum, Period, Instant, Raw, Struct, Optional, List, Map };

// What is known of a type. One object per type, made when first asked for.
struct TypeInfo {
  Shape shape = Shape::Raw;
  std::size_t size = 0;                                           // in bytes
  std::vector<FieldInfo> fields = {};                             // Struct
  std::vector<std::pair<std::string, std::int64_t>> values = {};  // Enum: name and number
  const TypeInfo& (*element)() = nullptr;                         // Optional, List, Map

  // Optional, List, Map: a fresh element to read into (`key` for maps), and a walk over what is there.
  void* (*add)(void* container, const std::string& key) = nullptr;
  std::size_t (*count)(const void* container) = nullptr;  // Optional: 0 or 1
  using Visitor = void (*)(void* context, const std::string* key, const void* element);
  void (*each)(const void* container, void* context, Visitor visit) = nullptr;
};

template <class T>
const TypeInfo& type_info();

// How lenient reading is and what printing leaves out.
//   Spec  kinds with a `spec`: wrong types and unknown enum values are violations; plain members always print
//   Flat  kinds that are protobuf messages for other implementations: numbers may be strings, enums numbers, names
//         snake_case; what has its zero value is not printed, and 64 bit numbers print as strings
// Both ignore fields that they do not know.
enum class Dialect { Spec, Flat };

// Reads `json` into `target`, which has its defaults before. Violations are appended, each with a path under `path`.
void read_described(const TypeInfo& type, const boost::json::value& json, void* target, Dialect dialect,
                    const std::string& path, std::vector<Violation>& violations);
boost::json::value print_described(const TypeInfo& type, const void* source, Dialect dialect);

template <class T>
T read_as(const boost::json::value& json, Dialect dialect, const std::string& path,
          std::vector<Violation>& violations) {
  T value{};
  read_described(type_info<T>(), json, &value, dialect, path, violations);
  return value;
}
template <class T>
boost::json::value print_as(const T& value, Dialect dialect) {
  return print_described(type_info<T>(), &value, dialect);
}

// Fills in how specs of this kind are read and printed. One line is all that a policy folder needs:
//   extern const Kind kMeshTimeoutKind = describe_kind<MeshTimeout>({.name = "MeshTimeout", .path = "meshtimeouts",
//   …});
// `Status` is given where a kind has one.
template <class Spec, class Status = void>
Kind describe_kind(Kind kind);

// The name of an enum's value in documents, and back.
template <class E>
std::string enum_name(E value);

std::string camel_case(std::string_view member);  // service_port → servicePort, namespace_ → namespace

// ---------------------------------------------------------------------------------------------------------------------

namespace described {

FieldInfo make_field(const char* member, std::size_t offset, const TypeInfo& (*type)(),
                     std::span<const FieldRule> rules);
std::string name_of(const TypeInfo& type, std::int64_t value);
// Integers and enums are read and written by their size, so that one function serves all of them.
std::int64_t load_integer(const void* from, std::size_t size, bool is_signed);
void store_integer(void* to, std::size_t size, std::int64_t value);

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;
template <class T>
inline constexpr bool is_map = false;
template <class T>
inline constexpr bool is_map<std::map<std::string, T>> = true;

template <class T>
std::span<const FieldRule> rules_of() {
  if constexpr (requires { T::kRules; }) return T::kRules;
  return {};
}

template <class T, template <class...> class List, class... Members>
void add_fields(TypeInfo& info, List<Members...>) {
  static const T sample{};
  const auto* base = reinterpret_cast<const char*>(&sample);
  (info.fields.push_back(make_field(
       Members::name, static_cast<std::size_t>(reinterpret_cast<const char*>(&(sample.*Members::pointer)) - base),
       &type_info<std::remove_cvref_t<decltype(sample.*Members::pointer)>>, rules_of<T>())),
   ...);
}

template <class T, template <class...> class List, class... Values>
void add_values(TypeInfo& info, List<Values...>) {
  (info.values.emplace_back(Values::name, static_cast<std::int64_t>(Values::value)), ...);
  for (std::size_t i = 0; i < kEnumNames<T>.size(); ++i) info.values[i].first = kEnumNames<T>[i];
}

template <class T>
TypeInfo make_optional() {
  TypeInfo info{.shape = Shape::Optional, .size = sizeof(T), .element = &type_info<typename T::value_type>};
  info.add = [](void* container, const std::string&) -> void* { return &static_cast<T*>(container)->emplace(); };
  info.count = [](const void* container) -> std::size_t {
    return static_cast<const T*>(container)->has_value() ? 1 : 0;
  };
  info.each = [](const void* container, void* context, TypeInfo::Visitor visit) {
    if (const T& value = *static_cast<const T*>(container)) visit(context, nullptr, &*value);
  };
  return info;
}

template <class T>
TypeInfo make_list() {
  TypeInfo info{.shape = Shape::List, .size = sizeof(T), .element = &type_info<typename T::value_type>};
  info.add = [](void* container, const std::string&) -> void* { return &static_cast<T*>(container)->emplace_back(); };
  info.count = [](const void* container) { return static_cast<const T*>(container)->size(); };
  info.each = [](const void* container, void* context, TypeInfo::Visitor visit) {
    for (const auto& value : *static_cast<const T*>(container)) visit(context, nullptr, &value);
  };
  return info;
}

template <class T>
TypeInfo make_map() {
  TypeInfo info{.shape = Shape::Map, .size = sizeof(T), .element = &type_info<typename T::mapped_type>};
  info.add = [](void* container, const std::string& key) -> void* { return &(*static_cast<T*>(container))[key]; };
  info.count = [](const void* container) { return static_cast<const T*>(container)->size(); };
  info.each = [](const void* container, void* context, TypeInfo::Visitor visit) {
    for (const auto& [key, value] : *static_cast<const T*>(container)) visit(context, &key, &value);
  };
  return info;
}

template <class T>
TypeInfo make_type() {
  TypeInfo info{.size = sizeof(T)};
  if constexpr (std::is_same_v<T, std::string>) {
    info.shape = Shape::Text;
  } else if constexpr (std::is_same_v<T, bool>) {
    info.shape = Shape::Bool;
  } else if constexpr (std::is_same_v<T, Duration>) {
    info.shape = Shape::Period;
  } else if constexpr (std::is_same_v<T, SystemTime>) {
    info.shape = Shape::Instant;
  } else if constexpr (std::is_same_v<T, boost::json::value>) {
    info.shape = Shape::Raw;
  } else if constexpr (std::is_same_v<T, double>) {
    info.shape = Shape::Real;
  } else if constexpr (std::is_integral_v<T>) {
    info.shape = std::is_signed_v<T> ? Shape::Signed : Shape::Unsigned;
  } else if constexpr (std::is_enum_v<T>) {
    info.shape = Shape::Enum;
    add_values<T>(info, boost::describe::describe_enumerators<T>{});
  } else if constexpr (is_optional<T>) {
    info = make_optional<T>();
  } else if constexpr (is_list<T>) {
    info = make_list<T>();
  } else if constexpr (is_map<T>) {
    info = make_map<T>();
  } else {
    static_assert(boost::describe::has_describe_members<T>::value,
                  "this type is neither described nor one that describe.h lists");
    info.shape = Shape::Struct;
    add_fields<T>(info, boost::describe::describe_members < T,
                  boost::describe::mod_public | boost::describe::mod_inherited > {});
  }
  return info;
}

template <class Spec, Dialect dialect>
AnySpec parse_spec(const boost::json::value& json, std::vector<Violation>& violations) {
  return AnySpec::of(read_as<Spec>(json, dialect, dialect == Dialect::Spec ? "spec" : "", violations));
}
template <class Status>
AnySpec parse_status(const boost::json::value& json, std::vector<Violation>& violations) {
  return AnySpec::of(read_as<Status>(json, Dialect::Spec, "status", violations));
}
template <class Spec, Dialect dialect>
boost::json::value print_spec(const AnySpec& spec) {
  const Spec* value = spec.as<Spec>();
  return value == nullptr ? boost::json::value(boost::json::object()) : print_as(*value, dialect);
}

}  // namespace described

template <class T>
const TypeInfo& type_info() {
  static const TypeInfo info = described::make_type<T>();
  return info;
}

template <class Spec, class Status>
Kind describe_kind(Kind kind) {
  if constexpr (!std::is_void_v<Status>) {
    kind.parse_status = &described::parse_status<Status>;
    kind.print_status = &described::print_spec<Status, Dialect::Spec>;
  }
  if (kind.layout == Layout::Spec) {
    kind.parse = &described::parse_spec<Spec, Dialect::Spec>;
    kind.print = &described::print_spec<Spec, Dialect::Spec>;
  } else {
    kind.parse = &described::parse_spec<Spec, Dialect::Flat>;
    kind.print = &described::print_spec<Spec, Dialect::Flat>;
  }
  return kind;
}

template <class E>
std::string enum_name(E value) {
  return described::name_of(type_info<E>(), static_cast<std::int64_t>(value));
}

}  // namespace mesh
