// Which program is Envoy, whether it can run here, and how it is called.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sidecar/settings.h"

namespace mesh::sidecar {

// Looks for `configured` in the folders of `search_path` (the PATH variable) when it has no slash, then in the working
// directory, then beside our own program. The error names every place, and the setting.
Result<std::string> find_envoy(const std::string& configured, std::string_view search_path,
                               const std::string& own_program);

// Whether the file at `path` is a program for this machine: it exists, may be executed, and has the right architecture.
Status check_program(const std::string& path);

struct EnvoyVersion {
  std::string version;  // "1.40.0"
  std::string build;    // "<commit>/1.40.0/Clean/RELEASE/BoringSSL"
};
// Reads the answer to `envoy --version`.
Result<EnvoyVersion> parse_envoy_version(std::string_view output);

std::vector<std::string> envoy_arguments(const Settings& settings, const std::string& bootstrap_file);

}  // namespace mesh::sidecar
