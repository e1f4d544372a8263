// HTTP messages as plain values, the same for HTTP/1.1 and HTTP/2, server and client.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mesh::wire {

// Field names compare without case; order is kept; a name may come more than once.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string name, std::string value);
  std::optional<std::string_view> find(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// Who is at the other end of the connection.
struct Peer {
  std::string address;  // "127.0.0.1"; empty on a Unix socket
  int port = 0;
  std::string local_address;
  int local_port = 0;
  bool is_loopback = false;
  bool is_tls = false;
  std::string client_certificate_pem;  // empty: none was shown (or none was asked for)
};

struct Request {
  std::string method;                                      // "GET"
  std::string target;                                      // as sent: path and query
  std::string path;                                        // decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  Headers headers;
  std::string body;
  Peer peer;

  std::optional<std::string_view> query_value(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

// Call it once, from any thread; a second call is ignored. Dropping it without calling answers 500.
using Respond = std::move_only_function<void(Response)>;
// Runs on the connection's strand. It may keep `respond` and answer later from another thread.
using Handler = std::function<void(Request, Respond)>;

}  // namespace mesh::wire
