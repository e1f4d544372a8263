// Reading of AWS's JSON, in which what is missing and what is no text are the same to us.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace mesh::aws {

// The text at `key`; empty: there is none.
inline std::string text_at(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

}  // namespace mesh::aws
