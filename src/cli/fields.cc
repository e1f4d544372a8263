#include "cli/fields.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <charconv>

namespace mesh::cli {

std::string text_at(const boost::json::object& from, std::string_view key) {
  const boost::json::value* found = from.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

const boost::json::value& value_at(const boost::json::value& from, std::initializer_list<std::string_view> path) {
  static const boost::json::value none;
  const boost::json::value* at = &from;
  for (const auto key : path) {
    at = at->is_object() ? at->get_object().if_contains(key) : nullptr;
    if (at == nullptr) return none;
  }
  return *at;
}

std::string text_at(const boost::json::value& from, std::initializer_list<std::string_view> path) {
  const auto& found = value_at(from, path);
  return found.is_string() ? std::string(found.get_string()) : std::string();
}

std::uint64_t number_at(const boost::json::value& from, std::initializer_list<std::string_view> path) {
  const auto& found = value_at(from, path);
  if (found.is_uint64()) return found.get_uint64();
  if (found.is_int64()) return static_cast<std::uint64_t>(found.get_int64());
  std::uint64_t number = 0;
  if (found.is_string()) {
    const auto& text = found.get_string();
    std::from_chars(text.data(), text.data() + text.size(), number);
  }
  return number;
}

const boost::json::array& items_at(const boost::json::value& from, std::initializer_list<std::string_view> path) {
  static const boost::json::array none;
  const auto& found = value_at(from, path);
  return found.is_array() ? found.get_array() : none;
}

}  // namespace mesh::cli
