// Turns one pending answer into the `respond` that a Handler gets.
#pragma once

#include "wire/event_loop.h"
#include "wire/http.h"

namespace mesh::wire {

// `deliver` runs once, on `strand`: with what the handler answered, or with a 500 when it dropped `respond`.
Respond make_respond(const Strand& strand, std::move_only_function<void(Response)> deliver);

}  // namespace mesh::wire
