// JSON text to values and back. Reading has limits, since the text comes from outside.
#pragma once

#include <boost/json/value.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh {

struct DocumentLimits {
  std::size_t bytes = 4UL << 20;            // of the text
  std::size_t depth = 64;                   // of nesting
  std::size_t expanded_bytes = 32UL << 20;  // YAML: what the text may grow to by its aliases
};

// Invalid, with line and column; TooLarge. Where an object has a name twice, the last one counts.
Result<boost::json::value> parse_json(std::string_view text, const DocumentLimits& limits = {});

// `indent` 0: all on one line.
std::string print_json(const boost::json::value& value, int indent = 0);

// Numbers as short as they can be, never like 1E1.
std::string print_number(double value);

bool is_valid_utf8(std::string_view text);

}  // namespace mesh
