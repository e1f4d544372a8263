// Which control planes the user knows, and which one commands go to: ~/.kumactl/config, in the format that the stock
// CLI writes, so that both work with one file. Fields that we do not know are kept.
#pragma once

#include <boost/json/object.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace mesh::cli {

struct ControlPlane {
  std::string name;
  std::string url;
  std::string ca_cert_file, client_cert_file, client_key_file;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string auth_type;
  std::map<std::string, std::string> auth_conf;
  bool skip_verify = false;
};

class ConfigFile {
 public:
  ConfigFile();  // one control plane "local" at http://localhost:5681
  // The default one when there is no such file and it was not `asked_for`.
  static Result<ConfigFile> load(const std::filesystem::path& path, bool asked_for);
  Status save(const std::filesystem::path& path) const;  // readable by the user only: tokens are in it
  std::string to_yaml() const;

  std::vector<ControlPlane> control_planes() const;
  std::optional<ControlPlane> find(const std::string& name) const;
  // The control plane of the current context.
  std::string current() const;

  // Conflict when there is one of this name and it may not be replaced. Makes it the current one.
  Status add(const ControlPlane& control_plane, bool overwrite);
  Status remove(const std::string& name);     // NotFound
  Status switch_to(const std::string& name);  // NotFound

 private:
  boost::json::object document_;
};

}  // namespace mesh::cli
