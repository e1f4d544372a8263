#include "cli/session.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <ostream>

#include "model/json.h"
#include "model/yaml.h"

namespace mesh::cli {

std::filesystem::path Session::config_path() const {
  return options_.config_file.empty() ? terminal.home / ".kumactl" / "config" : std::filesystem::path(options_.config_file);
}

Result<ConfigFile> Session::load_config() const {
  if (options_.no_config) return ConfigFile();
  return ConfigFile::load(config_path(), false);
}

Status Session::save_config(const ConfigFile& config) const { return config.save(config_path()); }

Result<Client> Session::open_client() const {
  MESH_TRY(const ConfigFile config, load_config());
  const std::string name = options_.context.empty() ? config.current() : options_.context;
  const auto control_plane = config.find(name);
  if (!control_plane) {
    return error(ErrorKind::NotFound,
                 options_.context.empty()
                     ? "no Control Plane is active; use `config control-planes add` to add one"
                     : fmt::format("there is no Control Plane with name \"{}\"; `config control-planes list` shows them", name));
  }
  return Client::open(*control_plane, options_.api_timeout);
}

void print_document(Terminal& terminal, Format format, const boost::json::value& document) {
  if (format == Format::Json) {
    terminal.out << print_json(document, 2) << '\n';
  } else {
    terminal.out << print_yaml(document);
  }
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
