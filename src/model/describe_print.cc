#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include "model/describe.h"

namespace mesh {
namespace {

namespace json = boost::json;
using described::load_integer;

// Durations as protobuf prints them: "90s", "1.500s".
std::string in_seconds(Duration duration) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(duration);
  const auto rest = std::abs((duration - whole).count());
  const char* sign = duration.count() < 0 && whole.count() == 0 ? "-" : "";
  if (rest == 0) return fmt::format("{}s", whole.count());
  if (rest % 1'000'000 == 0) return fmt::format("{}{}.{:03}s", sign, whole.count(), rest / 1'000'000);
  return fmt::format("{}{}.{:09}s", sign, whole.count(), rest);
}

class Printer {
 public:
  explicit Printer(Dialect dialect) : dialect_(dialect) {}

  // Has the member to be left out? `printed` is what it would print as.
  bool is_omitted(const TypeInfo& type, const void* source, const json::value& printed) const {
    switch (type.shape) {
      case Shape::Text: return printed.get_string().empty();
      case Shape::Raw: return printed.is_null();
      case Shape::Instant: return *static_cast<const SystemTime*>(source) == SystemTime{};
      case Shape::Optional:
      case Shape::List:
      case Shape::Map: return type.count(source) == 0;
      default: break;
    }
    if (dialect_ == Dialect::Spec) return false;
    switch (type.shape) {
      case Shape::Bool: return !printed.get_bool();
      case Shape::Signed:
      case Shape::Unsigned:
      case Shape::Enum: return load_integer(source, type.size, true) == 0;
      case Shape::Real: return printed.get_double() == 0;
      case Shape::Period: return static_cast<const Duration*>(source)->count() == 0;
      case Shape::Struct: return printed.get_object().empty();
      default: return false;
    }
  }

  json::value print(const TypeInfo& type, const void* source) const {
    switch (type.shape) {
      case Shape::Text: return json::string(*static_cast<const std::string*>(source));
      case Shape::Bool: return *static_cast<const bool*>(source);
      case Shape::Signed:
      case Shape::Unsigned: {
        const std::int64_t value = load_integer(source, type.size, type.shape == Shape::Signed);
        if (dialect_ == Dialect::Flat && type.size == 8) return json::string(std::to_string(value));
        return value;
      }
      case Shape::Real: return *static_cast<const double*>(source);
      case Shape::Enum: return json::string(described::name_of(type, load_integer(source, type.size, true)));
      case Shape::Period: {
        const Duration duration = *static_cast<const Duration*>(source);
        return json::string(dialect_ == Dialect::Flat ? in_seconds(duration) : format_duration(duration));
      }
      case Shape::Instant: return json::string(format_time(*static_cast<const SystemTime*>(source)));
      case Shape::Raw: return *static_cast<const json::value*>(source);
      case Shape::Struct: return print_struct(type, source);
      case Shape::Optional:
      case Shape::List:
      case Shape::Map: return print_container(type, source);
    }
    return nullptr;
  }

 private:
  json::value print_struct(const TypeInfo& type, const void* source) const {
    json::object out;
    for (const FieldInfo& field : type.fields) {
      const void* member = static_cast<const char*>(source) + field.offset;
      const TypeInfo& member_type = field.type();
      json::value printed = print(member_type, member);
      if (field.rule.required || !is_omitted(member_type, member, printed)) out.emplace(field.json, std::move(printed));
    }
    return out;
  }

  json::value print_container(const TypeInfo& type, const void* source) const {
    struct Context {
      const Printer& printer;
      const TypeInfo& type;
      json::value out;
    } context{*this, type, nullptr};
    if (type.shape == Shape::List) context.out.emplace_array();
    if (type.shape == Shape::Map) context.out.emplace_object();
    type.each(source, &context, [](void* opaque, const std::string* key, const void* element) {
      auto& [printer, container, out] = *static_cast<Context*>(opaque);
      json::value printed = printer.print(container.element(), element);
      if (container.shape == Shape::List)
        out.get_array().push_back(std::move(printed));
      else if (container.shape == Shape::Map)
        out.get_object().emplace(*key, std::move(printed));
      else
        out = std::move(printed);
    });
    return std::move(context.out);
  }

  Dialect dialect_;
};

}  // namespace

json::value print_described(const TypeInfo& type, const void* source, Dialect dialect) {
  return Printer(dialect).print(type, source);
}

}  // namespace mesh
