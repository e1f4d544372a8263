// YAML text to values and back. Plain scalars get the types that they have for other tools of this field (YAML 1.1:
// `yes`, `on` and `y` are booleans, 0777 is octal); what is quoted stays text.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/json.h"

namespace mesh {

// All documents of the text; empty ones are left out. JSON is read as JSON. Errors name the line: syntax, a key twice
// in one mapping, an alias inside what it stands for, a tag that has no meaning here; TooLarge when a limit is passed.
Result<std::vector<boost::json::value>> parse_yaml(std::string_view text, const DocumentLimits& limits = {});

// One document; an empty text is null, more than one is Invalid.
Result<boost::json::value> parse_yaml_document(std::string_view text, const DocumentLimits& limits = {});

// Block style, keys sorted, as other tools of this field print it. Ends with a newline.
std::string print_yaml(const boost::json::value& value);

// The value that a plain (unquoted) scalar stands for: null, boolean, number or text.
boost::json::value resolve_plain_scalar(std::string_view text);

}  // namespace mesh
