// What this room needs from an event loop beyond the public header, without Asio.
#pragma once

#include <stop_token>

#include "wire/event_loop.h"

namespace mesh::wire {

// A loop made with 0 threads runs on the caller's thread: until `done`, or what is ready now.
void run_until(EventLoop& loop, const bool& done);
void run_ready(EventLoop& loop);

// Whether the caller is one of the strand's tasks.
bool is_current(const Strand& strand);
// Whether the caller is one of the loop's threads.
bool runs_on(EventLoop& loop);
// Is asked to stop when the loop is.
std::stop_token stop_token_of(EventLoop& loop);

}  // namespace mesh::wire
