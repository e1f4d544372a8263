// The target of a request, taken apart.
#pragma once

#include <string>
#include <string_view>

#include "wire/http.h"

namespace mesh::wire {

// Fills target, path and query of `request` from what the request line or :path said: "/a%20b?x=1&y=a+b",
// "http://host/path" or "*". Bytes that a URL should have escaped are accepted, control characters and bad escapes not.
Status parse_target(std::string_view target, Request& request);

}  // namespace mesh::wire
