// The one way this program says that something failed. A function that can fail in a way its caller handles returns
// Result<T>; what is wrong is an Error that says what the caller can do about it (kind), where in the input it is
// (where) and what a person should read (text). Exceptions of libraries stop in the adapter that called the library.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mesh {

// What a caller can do. One table maps it to a REST status, a gRPC code and a retry decision (`http_status`,
// `grpc_code`).
enum class ErrorKind {
  Invalid,          // the input is wrong; sending it again is useless
  Unauthenticated,  // who is asking is not known, or the proof does not hold
  Denied,           // known, but not allowed
  NotFound,
  Conflict,     // somebody else changed it first, or it exists already
  TooLarge,     // over a limit that the message names
  Unavailable,  // try again later: something outside is down
  Internal,     // our fault
};

// One thing that is wrong with a resource. `field` is a path such as `spec.to[1].default.connectionTimeout`.
struct Violation {
  std::string field;
  std::string reason;

  friend bool operator==(const Violation&, const Violation&) = default;
};

struct Error {
  ErrorKind kind = ErrorKind::Internal;
  std::string where;  // a field path, a file and line, a flag or a variable; may be empty
  std::string text;
  std::vector<Violation> violations;  // all of them, when a resource was refused

  // "where: text" and one line per violation.
  std::string message() const;
};

// Says what was being done when `error` happened: "while reading x.yaml: …".
Error with_context(Error error, std::string_view doing);

int http_status(ErrorKind kind);
int grpc_code(ErrorKind kind);
bool is_worth_retrying(ErrorKind kind);

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using Base = std::expected<T, Error>;
  using Base::Base;
  Result(Error error) : Base(std::unexpect, std::move(error)) {}
  Result(std::unexpected<Error> error) : Base(std::unexpect, std::move(error).error()) {}
};

using Status = Result<void>;

inline Error invalid(std::string where, std::string text) {
  return {ErrorKind::Invalid, std::move(where), std::move(text), {}};
}
inline Error error(ErrorKind kind, std::string text) { return {kind, {}, std::move(text), {}}; }

}  // namespace mesh

#define MESH_CONCAT_INNER(a, b) a##b
#define MESH_CONCAT(a, b) MESH_CONCAT_INNER(a, b)

// MESH_TRY(auto value, may_fail()): the value, or return the error to our caller.
#define MESH_TRY(declaration, expression) MESH_TRY_INNER(declaration, expression, MESH_CONCAT(mesh_try_, __LINE__))
#define MESH_TRY_INNER(declaration, expression, name)                   \
  auto&& name = (expression);                                           \
  if (!name.has_value()) return ::mesh::Error(std::move(name).error()); \
  declaration = std::move(name).value()

// MESH_RETURN_IF_ERROR(may_fail()): for a Status, or a value nobody needs.
#define MESH_RETURN_IF_ERROR(expression)                                                \
  do {                                                                                  \
    auto&& mesh_status = (expression);                                                  \
    if (!mesh_status.has_value()) return ::mesh::Error(std::move(mesh_status).error()); \
  } while (false)
