// Reading documents that came from a server or a file: what is missing or of another type is empty.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace mesh::cli {

std::string text_at(const boost::json::object& from, std::string_view key);
std::string text_at(const boost::json::value& from, std::initializer_list<std::string_view> path);
std::uint64_t number_at(const boost::json::value& from, std::initializer_list<std::string_view> path);  // also "8"
const boost::json::value& value_at(const boost::json::value& from, std::initializer_list<std::string_view> path);
const boost::json::array& items_at(const boost::json::value& from, std::initializer_list<std::string_view> path);

}  // namespace mesh::cli
