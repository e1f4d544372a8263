// The dataplane token: given, or in a file that somebody may renew.
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace mesh::sidecar {

// Without the white space around it. It must look like a JWT; who signed it is for the control plane to say.
Result<Secret> parse_token(std::string_view text, std::string_view source);
Result<Secret> read_token_file(const std::string& path);

}  // namespace mesh::sidecar
