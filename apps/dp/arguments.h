// The command line and the environment of taskmesh-dp, as settings. Names and defaults are the peer's kuma-dp's. A flag
// wins over a variable.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "sidecar/settings.h"

namespace mesh {

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct WaitSettings {
  std::string url = "http://localhost:9902/ready";
  std::string unix_socket;
  Duration check_frequency = std::chrono::seconds(1);
  Duration timeout = std::chrono::seconds(180);
  Duration request_timeout = std::chrono::milliseconds(500);
};

struct Invocation {
  enum class Command { Run, Wait, Print };
  Command command = Command::Print;
  sidecar::Settings settings;
  WaitSettings wait;
  log::Settings log;
  std::vector<std::string> remarks;  // to be logged: what was accepted and means nothing here
  std::string text;                  // Print: what to print
};

// An error's text is for standard error.
Result<Invocation> parse_arguments(const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace mesh
