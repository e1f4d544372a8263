#pragma once

#include "base/result.h"
#include "dp/arguments.h"

namespace mesh {

// Asks until the proxy says that it is ready. The error says what the last answer was.
Status wait_until_ready(const WaitSettings& settings);

}  // namespace mesh
