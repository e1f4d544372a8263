// The kinds that a control plane has, learnt from itself, so that this tool also drives servers with other kinds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/client.h"

namespace mesh::cli {

struct ServerKind {
  std::string name;        // "MeshTimeout"
  std::string path;        // "meshtimeouts"
  std::string short_name;  // "mt"
  bool has_mesh = true;
  bool read_only = false;

  // "/meshes/<mesh>/meshtimeouts", "/zones"
  std::string list_path(std::string_view mesh) const;
  std::string item_path(std::string_view mesh, std::string_view name) const;
};

class ServerKinds {
 public:
  static Result<ServerKinds> fetch(const Client& client);
  explicit ServerKinds(std::vector<ServerKind> kinds) : kinds_(std::move(kinds)) {}

  // By its name as documents have it. Invalid, naming what there is.
  Result<ServerKind> by_type(std::string_view type) const;
  // By any spelling: dataplane, dataplanes, Dataplane, dp, global-secret, globalsecrets, healthcheck …
  Result<ServerKind> by_spelling(std::string_view spelling) const;
  const std::vector<ServerKind>& all() const { return kinds_; }

 private:
  std::vector<ServerKind> kinds_;
};

}  // namespace mesh::cli
