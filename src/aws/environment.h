// The variables that the standard tools of AWS read, handed in by the program: this room reads no environment itself.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace mesh::aws {

class Environment {
 public:
  Environment() = default;
  Environment(std::map<std::string, std::string> values) : values_(values.begin(), values.end()) {}
  Environment(std::initializer_list<std::pair<const std::string, std::string>> values) : values_(values) {}

  // Empty when it is not set: the tools of AWS make no difference either.
  std::string get(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::string() : found->second;
  }
  bool has(std::string_view name) const { return !get(name).empty(); }

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace mesh::aws
