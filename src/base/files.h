// Reading and writing whole files, with errors that name the file and the reason.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh {

// At most `limit_bytes`; a larger file is TooLarge.
Result<std::string> read_file(const std::filesystem::path& path, std::size_t limit_bytes = 64UL << 20);

// The file has the old content or the new one, never a part: written beside it, synced, then renamed.
Status write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode = 0644);

}  // namespace mesh
