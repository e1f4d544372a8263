// The table of everything that `taskmesh-dp run` understands: each row is a flag, a variable, or both.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "sidecar/settings.h"

namespace mesh {

struct RunTarget {
  sidecar::Settings& settings;
  log::Settings& log;
};

enum class OptionKind { Value, Flag, Ignored, IgnoredFlag };

struct RunOption {
  const char* flag;      // "--dataplane-file,-d"; empty: no flag
  const char* variable;  // empty: no variable
  OptionKind kind;
  const char* help;  // for an ignored one: why
  Status (*apply)(RunTarget target, const std::string& value);
};

std::span<const RunOption> run_options();

}  // namespace mesh
