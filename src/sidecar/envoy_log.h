// Envoy's log lines, as ours.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"

namespace mesh::sidecar {

// What --log-format is set to: level, component, text.
inline constexpr const char* kEnvoyLogFormat = "%L|%n|%v";
// The separator of that format is in few texts; what does not look like it is a continuation of the line before.

struct EnvoyLogLine {
  log::Level level = log::Level::Info;
  std::string text;  // "upstream: lds: add/update listener …"
};
std::optional<EnvoyLogLine> parse_envoy_log(std::string_view line);

// At debug level Envoy writes down the headers of what it sends and gets, ours with the dataplane token and those of
// the application's requests. What has the form of a JWT, or of the proof of a role, is replaced by ***.
std::string without_tokens(std::string line);

// Envoy's name for our level.
std::string_view envoy_log_level(log::Level level);

}  // namespace mesh::sidecar
