#include "cli/config_file.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/files.h"
#include "cli/fields.h"
#include "model/yaml.h"

namespace mesh::cli {

namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

const object& object_at(const object& from, std::string_view key) {
  static const object none;
  const value* found = from.if_contains(key);
  return found != nullptr && found->is_object() ? found->get_object() : none;
}

const array& array_at(const object& from, std::string_view key) {
  static const array none;
  const value* found = from.if_contains(key);
  return found != nullptr && found->is_array() ? found->get_array() : none;
}

array& make_array(object& in, std::string_view key) {
  value& found = in[key];
  if (!found.is_array()) found.emplace_array();
  return found.get_array();
}

ControlPlane read(const object& document) {
  const object& server = object_at(object_at(document, "coordinates"), "apiServer");
  ControlPlane out{.name = text_at(document, "name"),
                   .url = text_at(server, "url"),
                   .ca_cert_file = text_at(server, "caCertFile"),
                   .client_cert_file = text_at(server, "clientCertFile"),
                   .client_key_file = text_at(server, "clientKeyFile"),
                   .headers = {},
                   .auth_type = text_at(server, "authType"),
                   .auth_conf = {}};
  for (const auto& header : array_at(server, "headers")) {
    if (header.is_object())
      out.headers.emplace_back(text_at(header.get_object(), "key"), text_at(header.get_object(), "value"));
  }
  const object& conf = object_at(server, "authConf");
  for (const auto& [key, unused] : conf) out.auth_conf[std::string(key)] = text_at(conf, key);
  const value* skip = server.if_contains("skipVerify");
  out.skip_verify = skip != nullptr && skip->is_bool() && skip->get_bool();
  return out;
}

object write(const ControlPlane& from) {
  object server;
  const auto put = [&](const char* key, const std::string& text) {
    if (!text.empty()) server[key] = text;
  };
  put("url", from.url);
  put("caCertFile", from.ca_cert_file);
  put("clientCertFile", from.client_cert_file);
  put("clientKeyFile", from.client_key_file);
  put("authType", from.auth_type);
  for (const auto& [key, text] : from.headers) make_array(server, "headers").push_back({{"key", key}, {"value", text}});
  if (!from.auth_conf.empty()) {
    object& conf = server["authConf"].emplace_object();
    for (const auto& [key, text] : from.auth_conf) conf[key] = text;
  }
  if (from.skip_verify) server["skipVerify"] = true;
  return {{"name", from.name}, {"coordinates", object{{"apiServer", std::move(server)}}}};
}

bool is_named(const value& item, const std::string& name) {
  return item.is_object() && text_at(item.get_object(), "name") == name;
}

// Replaces the item of that name, or appends it.
void put_named(array& items, object item) {
  const std::string name = text_at(item, "name");
  for (auto& existing : items) {
    if (is_named(existing, name)) {
      existing = std::move(item);
      return;
    }
  }
  items.push_back(std::move(item));
}

Error unknown(const std::string& name) {
  return error(ErrorKind::NotFound, fmt::format("there is no Control Plane with name \"{}\"", name));
}

}  // namespace

ConfigFile::ConfigFile() {
  (void)add({.name = "local",
             .url = "http://localhost:5681",
             .ca_cert_file = {},
             .client_cert_file = {},
             .client_key_file = {},
             .headers = {},
             .auth_type = {},
             .auth_conf = {}},
            true);
}

Result<ConfigFile> ConfigFile::load(const std::filesystem::path& path, bool asked_for) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    if (!asked_for) return ConfigFile();
    return error(ErrorKind::NotFound, fmt::format("there is no configuration file {}", path.string()));
  }
  MESH_TRY(const std::string text, read_file(path, 4UL << 20));
  auto document = parse_yaml_document(text);
  if (!document) return with_context(document.error(), fmt::format("while reading {}", path.string()));
  ConfigFile out;
  if (document->is_null()) return out;
  if (!document->is_object()) return invalid(path.string(), "is not a configuration: it must be a mapping");
  out.document_ = std::move(document->get_object());
  return out;
}

Status ConfigFile::save(const std::filesystem::path& path) const {
  std::error_code failed;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), failed);
  if (failed)
    return error(ErrorKind::Unavailable,
                 fmt::format("cannot make the folder {}: {}", path.parent_path().string(), failed.message()));
  return write_file_atomically(path, to_yaml(), 0600);
}

std::string ConfigFile::to_yaml() const { return print_yaml(document_); }

std::vector<ControlPlane> ConfigFile::control_planes() const {
  std::vector<ControlPlane> out;
  for (const auto& item : array_at(document_, "controlPlanes")) {
    if (item.is_object()) out.push_back(read(item.get_object()));
  }
  return out;
}

std::optional<ControlPlane> ConfigFile::find(const std::string& name) const {
  for (auto& control_plane : control_planes()) {
    if (control_plane.name == name) return control_plane;
  }
  return std::nullopt;
}

std::string ConfigFile::current() const {
  const std::string wanted = text_at(document_, "currentContext");
  for (const auto& context : array_at(document_, "contexts")) {
    if (is_named(context, wanted)) return text_at(context.get_object(), "controlPlane");
  }
  return {};
}

Status ConfigFile::add(const ControlPlane& control_plane, bool overwrite) {
  if (!overwrite && find(control_plane.name)) {
    return error(
        ErrorKind::Conflict,
        fmt::format("Control Plane with name \"{}\" already exists. Use --overwrite to replace an existing one.",
                    control_plane.name));
  }
  put_named(make_array(document_, "controlPlanes"), write(control_plane));
  put_named(make_array(document_, "contexts"), {{"name", control_plane.name}, {"controlPlane", control_plane.name}});
  document_["currentContext"] = control_plane.name;
  return {};
}

Status ConfigFile::remove(const std::string& name) {
  if (!find(name)) return unknown(name);
  const auto drop = [&](const char* list, auto is_gone) {
    array kept;
    for (auto& item : make_array(document_, list)) {
      if (!is_gone(item)) kept.push_back(std::move(item));
    }
    document_[list] = std::move(kept);
  };
  drop("controlPlanes", [&](const value& item) { return is_named(item, name); });
  drop("contexts",
       [&](const value& item) { return item.is_object() && text_at(item.get_object(), "controlPlane") == name; });
  if (!current().empty()) return {};
  const array& left = array_at(document_, "contexts");
  document_["currentContext"] = left.empty() ? std::string() : text_at(left.front().as_object(), "name");
  return {};
}

Status ConfigFile::switch_to(const std::string& name) {
  for (const auto& context : array_at(document_, "contexts")) {
    if (!is_named(context, name)) continue;
    document_["currentContext"] = name;
    return {};
  }
  return unknown(name);
}

}  // namespace mesh::cli
