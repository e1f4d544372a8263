// What a command may touch of the world around it, so that tests can stand in for it.
#pragma once

#include <filesystem>
#include <iosfwd>

#include "base/clock.h"

namespace mesh::cli {

struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  std::filesystem::path home;  // of the user: the configuration file lies in there
  const Clock& clock;
};

}  // namespace mesh::cli
