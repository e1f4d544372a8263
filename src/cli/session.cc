#include "cli/session.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <charconv>
#include <ostream>

#include "model/json.h"
#include "model/yaml.h"

namespace mesh::cli {

std::filesystem::path Session::config_path() const {
  return options_.config_file.empty() ? terminal.home / ".kumactl" / "config"
                                      : std::filesystem::path(options_.config_file);
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
    return error(
        ErrorKind::NotFound,
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

}  // namespace mesh::cli
