#include "cli/server_kinds.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>

#include "cli/fields.h"

namespace mesh::cli {

namespace {

using boost::json::object;
using boost::json::value;

// Lower case, without hyphens.
std::string plain(std::string_view text) {
  std::string out;
  for (const unsigned char c : text) {
    if (c != '-' && c != '_') out += static_cast<char>(std::tolower(c));
  }
  return out;
}

std::vector<std::string> plurals_of(const std::string& word) {
  std::vector<std::string> out{word + "s", word + "es"};
  if (word.ends_with('y')) out.push_back(word.substr(0, word.size() - 1) + "ies");
  return out;
}

bool is_spelling_of(const ServerKind& kind, const std::string& word) {
  const std::string name = plain(kind.name);
  if (word == name || word == plain(kind.path) || (!kind.short_name.empty() && word == kind.short_name)) return true;
  return std::ranges::count(plurals_of(name), word) > 0;
}

std::string names_of(const std::vector<ServerKind>& kinds) {
  std::string out;
  for (const auto& kind : kinds) out += (out.empty() ? "" : ", ") + kind.path;
  return out;
}

}  // namespace

std::string ServerKind::list_path(std::string_view mesh) const {
  return has_mesh ? fmt::format("/meshes/{}/{}", piece(mesh), path) : "/" + path;
}

std::string ServerKind::item_path(std::string_view mesh, std::string_view item) const {
  return list_path(mesh) + "/" + piece(item);
}

Result<ServerKinds> ServerKinds::fetch(const Client& client) {
  MESH_TRY(const value answer, client.get_json("/_resources"));
  const value* list = answer.is_object() ? answer.get_object().if_contains("resources") : nullptr;
  if (list == nullptr || !list->is_array())
    return error(ErrorKind::Internal, "the server does not say which resources it has");
  std::vector<ServerKind> kinds;
  for (const auto& item : list->get_array()) {
    if (!item.is_object()) continue;
    const object& from = item.get_object();
    const value* read_only = from.if_contains("readOnly");
    kinds.push_back({text_at(from, "name"), text_at(from, "path"), text_at(from, "shortName"),
                     text_at(from, "scope") == "Mesh",
                     read_only != nullptr && read_only->is_bool() && read_only->get_bool()});
  }
  return ServerKinds(std::move(kinds));
}

Result<ServerKind> ServerKinds::by_type(std::string_view type) const {
  const auto found = std::ranges::find(kinds_, type, &ServerKind::name);
  if (found != kinds_.end()) return *found;
  std::string names;
  for (const auto& kind : kinds_) names += (names.empty() ? "" : ", ") + kind.name;
  return invalid("type", fmt::format("is \"{}\"; this control plane has {}", type, names));
}

Result<ServerKind> ServerKinds::by_spelling(std::string_view spelling) const {
  const std::string word = plain(spelling);
  const auto found = std::ranges::find_if(kinds_, [&](const auto& kind) { return is_spelling_of(kind, word); });
  if (found != kinds_.end()) return *found;
  return error(ErrorKind::Invalid, fmt::format("unknown TYPE: {}. Allowed values: {}", spelling, names_of(kinds_)));
}

}  // namespace mesh::cli
