// The two primitives that signatures are made of.
#pragma once

#include <string>
#include <string_view>

namespace mesh::aws {

std::string sha256(std::string_view content);                             // 32 bytes
std::string hmac_sha256(std::string_view key, std::string_view content);  // 32 bytes

}  // namespace mesh::aws
