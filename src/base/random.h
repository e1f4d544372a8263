// Randomness fit for keys and ids: from the kernel.
#pragma once

#include <string>

namespace mesh {

std::string random_bytes(std::size_t count);
std::string make_uuid();  // version 4: 8a5a1c2e-0b1d-4c57-9f0e-6f0c2f7f6c52

}  // namespace mesh
