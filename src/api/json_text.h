// JSON as the API sends it: indented by one space, as clients and people who look over their shoulder expect it.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/result.h"
#include "wire/http.h"

namespace mesh::api {

std::string to_text(const boost::json::value& value);
wire::Response json_response(int status, const boost::json::value& value);
wire::Response text_response(int status, std::string text);

// The body says of itself that it is JSON. Anything else is refused, also because browsers send other types to foreign
// sites without asking.
bool is_json(const wire::Request& request);
// Reads a body. At most 32 levels deep. The message says at which byte it went wrong.
Result<boost::json::value> parse_json(std::string_view text);

}  // namespace mesh::api
