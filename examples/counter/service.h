// What both services of the example share: listening, answering JSON, and stopping without dropping a request.
#pragma once

#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "wire/event_loop.h"
#include "wire/server.h"

namespace counter {

std::string variable(const char* name, std::string otherwise);

mesh::wire::Response json_answer(int status, std::string body);
mesh::wire::Response error_answer(int status, std::string_view what);

// Serves until SIGTERM or SIGINT. Then it goes on serving for SHUTDOWN_DELAY (default 3s), since others may not know
// yet that it leaves, lets running requests end, and returns the exit code. ADDRESS and PORT say where it listens.
int serve(const std::string& name, const std::string& default_port, mesh::wire::EventLoop& loop,
          mesh::wire::Handler handler);

}  // namespace counter
