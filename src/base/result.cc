#include "base/result.h"

namespace mesh {

std::string Error::message() const {
  std::string out = where.empty() ? text : where + ": " + text;
  for (const Violation& violation : violations) {
    out += "\n  ";
    if (!violation.field.empty()) out += violation.field + ": ";
    out += violation.reason;
  }
  return out;
}

Error with_context(Error error, std::string_view doing) {
  error.text = std::string(doing) + ": " + error.text;
  return error;
}

namespace {

struct KindRow {
  ErrorKind kind;
  int http;
  int grpc;
  bool retry;
};

constexpr KindRow kKinds[] = {
    {ErrorKind::Invalid, 400, 3, false},     {ErrorKind::Unauthenticated, 401, 16, false},
    {ErrorKind::Denied, 403, 7, false},      {ErrorKind::NotFound, 404, 5, false},
    {ErrorKind::Conflict, 409, 10, true},    {ErrorKind::TooLarge, 413, 8, false},
    {ErrorKind::Unavailable, 503, 14, true}, {ErrorKind::Internal, 500, 13, false},
};

const KindRow& row_of(ErrorKind kind) {
  for (const KindRow& row : kKinds)
    if (row.kind == kind) return row;
  return kKinds[std::size(kKinds) - 1];
}

}  // namespace

int http_status(ErrorKind kind) { return row_of(kind).http; }
int grpc_code(ErrorKind kind) { return row_of(kind).grpc; }
bool is_worth_retrying(ErrorKind kind) { return row_of(kind).retry; }

}  // namespace mesh
