// JSON as the API sends and takes it.
#pragma once

#include <boost/json/value.hpp>

#include <string>

#include "model/json.h"
#include "wire/http.h"

namespace mesh::api {

// Indented by one space, as clients and people who look over their shoulder expect it.
wire::Response json_response(int status, const boost::json::value& value);
wire::Response text_response(int status, std::string text);

// The body says of itself that it is JSON. Anything else is refused, also because browsers send other types to foreign
// sites without asking.
bool is_json(const wire::Request& request);

}  // namespace mesh::api
