// The command line tool: the commands and flags that operators know, over the REST interface of a control plane.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.h"

namespace mesh::cli {

// Runs one command and returns the exit code: 0, or 1 with "Error: …" on the terminal's error stream.
// `arguments` without the name of the program.
int run(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace mesh::cli
