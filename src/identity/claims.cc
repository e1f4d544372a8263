#include "identity/claims.h"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace mesh {
namespace {

namespace json = boost::json;

Error misshaped(std::string_view claim, std::string_view expected) {
  return error(ErrorKind::Unauthenticated, fmt::format("the token's claim \"{}\" is not {}", claim, expected));
}

// Null where the claim is missing or null.
const json::value* find(const json::object& claims, std::string_view name) {
  const json::value* value = claims.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::string> read_text(const json::object& claims, std::string_view name) {
  const json::value* value = find(claims, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return misshaped(name, "a text");
  return std::string(value->get_string());
}

Result<std::vector<std::string>> read_texts(const json::value& value, std::string_view name) {
  if (!value.is_array()) return misshaped(name, "a list of texts");
  std::vector<std::string> texts;
  for (const json::value& element : value.get_array()) {
    if (!element.is_string()) return misshaped(name, "a list of texts");
    texts.emplace_back(element.get_string());
  }
  return texts;
}

Result<std::vector<std::string>> read_texts(const json::object& claims, std::string_view name) {
  const json::value* value = find(claims, name);
  if (value == nullptr) return std::vector<std::string>();
  return read_texts(*value, name);
}

Result<std::map<std::string, std::set<std::string>>> read_tags(const json::object& claims) {
  std::map<std::string, std::set<std::string>> tags;
  const json::value* value = find(claims, "Tags");
  if (value == nullptr) return tags;
  if (!value->is_object()) return misshaped("Tags", "an object of lists");
  for (const auto& [tag, allowed] : value->get_object()) {
    MESH_TRY(const std::vector<std::string> values, read_texts(allowed, fmt::format("Tags.{}", std::string_view(tag))));
    tags[std::string(tag)] = {values.begin(), values.end()};
  }
  return tags;
}

}  // namespace

json::object print_claims(const DataplaneClaims& claims) {
  json::object tags;
  for (const auto& [tag, values] : claims.tags) {
    json::array& list = tags[tag].emplace_array();
    for (const std::string& value : values) list.emplace_back(value);
  }
  return {{"Name", claims.name},
          {"Mesh", claims.mesh},
          {"Tags", std::move(tags)},
          {"Type", claims.type},
          {"Workload", claims.workload}};
}

json::object print_claims(const ZoneClaims& claims) {
  return {{"Zone", claims.zone}, {"Scope", json::array(claims.scope.begin(), claims.scope.end())}};
}

json::object print_claims(const User& user) {
  return {{"Name", user.name}, {"Groups", json::array(user.groups.begin(), user.groups.end())}};
}

Result<DataplaneClaims> read_dataplane_claims(const json::object& claims) {
  DataplaneClaims read;
  MESH_TRY(read.name, read_text(claims, "Name"));
  MESH_TRY(read.mesh, read_text(claims, "Mesh"));
  MESH_TRY(read.tags, read_tags(claims));
  MESH_TRY(read.type, read_text(claims, "Type"));
  MESH_TRY(read.workload, read_text(claims, "Workload"));
  return read;
}

Result<ZoneClaims> read_zone_claims(const json::object& claims) {
  ZoneClaims read;
  MESH_TRY(read.zone, read_text(claims, "Zone"));
  MESH_TRY(read.scope, read_texts(claims, "Scope"));
  return read;
}

Result<User> read_user_claims(const json::object& claims) {
  User read;
  MESH_TRY(read.name, read_text(claims, "Name"));
  MESH_TRY(read.groups, read_texts(claims, "Groups"));
  return read;
}

bool User::is_in(std::string_view group) const { return std::ranges::find(groups, group) != groups.end(); }

Status check_claims(const DataplaneClaims& claims, const std::string& mesh, const std::string& name,
                    const std::map<std::string, std::set<std::string>>& proxy_tags, const std::string& workload) {
  const auto denied = [](std::string text) { return error(ErrorKind::Denied, std::move(text)); };
  if (!claims.name.empty() && claims.name != name)
    return denied(fmt::format("the proxy is named \"{}\"; its token is for \"{}\"", name, claims.name));
  if (!claims.mesh.empty() && claims.mesh != mesh)
    return denied(fmt::format("the proxy is in mesh \"{}\"; its token is for mesh \"{}\"", mesh, claims.mesh));
  for (const auto& [tag, allowed] : claims.tags) {
    const auto found = proxy_tags.find(tag);
    if (found == proxy_tags.end())
      return denied(fmt::format("the proxy has no tag \"{}\", which its token requires", tag));
    for (const std::string& value : found->second)
      if (!allowed.contains(value))
        return denied(
            fmt::format("the proxy has tag \"{}\" with value \"{}\", which its token does not allow; allowed: {}", tag,
                        value, fmt::join(allowed, ", ")));
  }
  if (claims.workload.empty() || claims.workload == workload) return {};
  if (workload.empty())
    return denied(fmt::format("the proxy has no workload label; its token is for workload \"{}\"", claims.workload));
  return denied(
      fmt::format("the proxy is of workload \"{}\"; its token is for workload \"{}\"", workload, claims.workload));
}

}  // namespace mesh
