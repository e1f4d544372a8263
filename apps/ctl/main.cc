// taskmeshctl: commands for operators of the mesh.
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "cli/command_line.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `| head` ends the output, not the program in the middle of a write
  const char* home = std::getenv("HOME");
  mesh::cli::Terminal terminal{std::cin, std::cout, std::cerr, home != nullptr ? home : "", mesh::real_clock()};
  const int code = mesh::cli::run({argv + 1, argv + argc}, terminal);
  std::cout.flush();
  return code;
}
