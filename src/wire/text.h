// Small texts of HTTP that both of its versions need.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "wire/http.h"

namespace mesh::wire {

std::string to_lower(std::string_view text);  // ASCII
bool equal_ignoring_case(std::string_view a, std::string_view b);
// Whether a comma-separated field such as Connection names `token`.
bool lists_token(std::string_view field, std::string_view token);

std::string_view reason_phrase(int status);             // "Not Found"
std::string http_date(SystemTime time);                 // "Sun, 06 Nov 1994 08:49:37 GMT"
bool is_field_name(std::string_view name);              // a token of RFC 9110
std::string clean_field_value(std::string_view value);  // without what could end the line
bool is_about_connection(std::string_view name);        // Connection, Keep-Alive, Transfer-Encoding …: ours to set
bool may_have_body(int status);

// What this room itself answers when a request cannot reach a handler.
Response error_response(int status, std::string_view detail);

}  // namespace mesh::wire
