// One listening port: plain HTTP/1.1, or TLS with HTTP/1.1 and HTTP/2 by ALPN (HTTP/1.1 when the client offers none).
// On HTTP/2, POSTs with content-type application/grpc whose path is in `grpc` become gRPC streams; everything else, on
// both protocols, goes to `http`.
// It is guarded as a public server must be: see Limits.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/published.h"
#include "base/result.h"
#include "wire/event_loop.h"
#include "wire/grpc.h"
#include "wire/http.h"

namespace mesh::wire {

enum class TlsVersion { Tls12, Tls13 };

struct TlsServerSettings {
  std::string certificate_pem;  // leaf first, then intermediates
  std::string key_pem;
  std::string client_ca_pem;  // not empty: ask for a client certificate (it may stay away), verify it against these
  bool require_client_certificate = false;
  TlsVersion min_version = TlsVersion::Tls12;
  std::string cipher_suites;  // OpenSSL list; empty: the library's default
};

struct Limits {
  std::size_t max_body_bytes = 4UL << 20;      // of an HTTP request: 413 beyond
  std::size_t max_header_bytes = 64UL << 10;   // 431 beyond
  std::size_t max_message_bytes = 16UL << 20;  // of a gRPC message
  // What unfinished requests and messages of all connections may hold together. Beyond, those that are not small are
  // refused: whoever sends many large ones at once keeps out himself, and hardly anybody else.
  std::size_t max_unfinished_bytes = 256UL << 20;
  std::size_t max_connections = 20'000;
  // Connections that have not shown a request yet. When there are more, silent ones and slow ones go, oldest first.
  std::size_t max_handshaking = 2'000;
  std::size_t max_streams = 100;  // concurrent HTTP/2 streams per connection
  Duration handshake_timeout = std::chrono::seconds(10);
  Duration request_timeout = std::chrono::seconds(30);     // from the first byte of a request to its last
  Duration idle_timeout = std::chrono::seconds(120);       // between requests; HTTP/2: without a stream
  Duration keepalive_interval = std::chrono::seconds(60);  // HTTP/2 PING on idle connections
  Duration keepalive_timeout = std::chrono::seconds(20);
  Duration max_connection_age = Duration::zero();  // about; clients then connect anew, perhaps elsewhere. 0: no limit
};

struct ServerSettings {
  std::string name;     // for logs and errors: "api", "dp-server"
  std::string address;  // "0.0.0.0", "::", "127.0.0.1"
  int port = 0;         // 0: any free port; see Server::port()
  // Not empty: a Unix socket of that path instead, for this user alone. What is left there of another run is replaced.
  std::string unix_socket = {};
  Limits limits;
};

// Thread-safe. Connections end when it is destroyed: its destructor waits until no handler runs any more, but for two
// cases in which it could wait for ever: on a thread of its loop, and after the loop was stopped.
class Server {
 public:
  // The message of a failure names address, port and reason ("is already in use").
  static Result<std::unique_ptr<Server>> listen(EventLoop& loop, ServerSettings settings, Handler http,
                                                GrpcServices grpc = {});
  // The same over TLS.
  static Result<std::unique_ptr<Server>> listen_tls(EventLoop& loop, ServerSettings settings, TlsServerSettings tls,
                                                    Handler http, GrpcServices grpc = {});
  virtual ~Server() = default;
  virtual int port() const = 0;
  // New connections get the new certificate; those that stand are left alone.
  virtual Status replace_tls(TlsServerSettings tls) = 0;
  // Stops accepting, sends GOAWAY and lets running requests end for at most `grace`.
  virtual void drain(Duration grace) = 0;
  virtual std::size_t connection_count() const = 0;
};

}  // namespace mesh::wire
