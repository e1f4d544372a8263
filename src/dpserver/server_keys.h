// The certificate and key of a port: from files, which may change while we run, or made at the first start.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

namespace mesh {

struct ServerKeys {
  std::string certificate_pem;
  Secret key_pem;
};

struct ServerKeyFiles {
  std::filesystem::path certificate, key;  // both, or none: then made and kept in `work_dir`
  std::filesystem::path work_dir;
  std::vector<std::string> host_names;  // further names and addresses of a certificate that is made
};

// Loads them; makes them first when there are none. Says which file is wrong, and why.
Result<ServerKeys> load_server_keys(const ServerKeyFiles& files, const Clock& clock);

// The files that load_server_keys() reads.
std::pair<std::filesystem::path, std::filesystem::path> server_key_paths(const ServerKeyFiles& files);

}  // namespace mesh
