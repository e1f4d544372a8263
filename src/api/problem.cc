#include "api/problem.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "api/json_text.h"
#include "base/log.h"

namespace mesh::api {

namespace {

boost::json::array list(const std::vector<Violation>& violations, const char* reason_key) {
  boost::json::array out;
  for (const auto& violation : violations) out.push_back({{"field", violation.field}, {reason_key, violation.reason}});
  return out;
}

}  // namespace

wire::Response problem_response(const Problem& problem) {
  boost::json::object body{
      {"type", "/std-errors"}, {"status", problem.status}, {"title", problem.title}, {"detail", problem.detail}};
  if (!problem.violations.empty()) body["invalid_parameters"] = list(problem.violations, "reason");
  body["details"] = problem.detail;  // `details` and `causes` say the same to older clients
  if (!problem.violations.empty()) body["causes"] = list(problem.violations, "message");
  return json_response(problem.status, body);
}

wire::Response error_response(const Error& error, std::string_view title) {
  Problem problem{http_status(error.kind), std::string(title), error.text, error.violations};
  switch (error.kind) {
    case ErrorKind::Invalid:
      if (problem.violations.empty()) {
        problem.title = "Bad Request";
        if (!error.where.empty()) problem.detail = error.where + ": " + error.text;
      } else {
        problem.detail = "Resource is not valid";
      }
      break;
    case ErrorKind::NotFound: problem.detail = "Not found"; break;
    case ErrorKind::Denied: problem.title = "Access Denied"; break;
    case ErrorKind::Conflict: problem.title = "Conflict"; break;
    case ErrorKind::Unavailable: problem.title = "Service unavailable"; break;
    case ErrorKind::Internal:
      MESH_LOG_ERROR("api", "{}: {}", title, error.message());
      problem.detail = "Internal Server Error";
      break;
    case ErrorKind::Unauthenticated:
    case ErrorKind::TooLarge: break;
  }
  return problem_response(problem);
}

}  // namespace mesh::api
