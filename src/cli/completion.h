// Shell completion, written from the tree of commands.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace mesh::cli {

struct CommandNode {
  std::string name;
  std::string description;
  std::vector<std::string> flags;  // with their dashes
  std::vector<CommandNode> children;
};

// `shell`: bash, zsh or fish. `program`: what is completed.
Result<std::string> completion_script(const std::string& shell, const std::string& program, const CommandNode& root);

}  // namespace mesh::cli
