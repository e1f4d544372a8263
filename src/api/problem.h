// Errors as REST shows them: a problem document with everything that is wrong, the same structure for every status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "wire/http.h"

namespace mesh::api {

struct Problem {
  int status = 500;
  std::string title;
  std::string detail;
  std::vector<Violation> violations;
};

wire::Response problem_response(const Problem& problem);

// `title` says what was being done. Faults of our own are logged here, and not shown.
wire::Response error_response(const Error& error, std::string_view title);

}  // namespace mesh::api
