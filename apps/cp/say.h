// How commands that end by themselves tell what they do: a line on standard output, at once.
#pragma once

#include <cstdio>
#include <string>

namespace mesh {

inline void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace mesh
