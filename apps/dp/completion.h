// Completion scripts for shells, from the table of options.
#pragma once

#include <string>

#include "base/result.h"

namespace mesh {

Result<std::string> completion_script(const std::string& shell);

}  // namespace mesh
