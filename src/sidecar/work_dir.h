// Where the sidecar keeps what it makes: Envoy's bootstrap, the token, Envoy's admin socket.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh::sidecar {

class WorkDir {
 public:
  // An empty path: a temporary one that goes with this object. Others may pass through it (to a socket), not look in.
  static Result<WorkDir> open(const std::string& path);
  WorkDir(WorkDir&& other) noexcept;
  WorkDir& operator=(WorkDir&& other) noexcept;
  ~WorkDir();

  const std::string& path() const { return path_; }  // absolute
  // Readable by us alone: these files hold tokens. Returns the file's path.
  Result<std::string> write_private(std::string_view name, std::string_view content) const;

 private:
  WorkDir(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}
  std::string path_;
  bool temporary_ = false;
};

}  // namespace mesh::sidecar
