// HTTP/1.1 requests and HTTP/2 gRPC streams to a server, over TCP, TLS or a Unix socket.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "wire/event_loop.h"
#include "wire/grpc.h"
#include "wire/http.h"

namespace mesh::wire {

struct TlsClientSettings {
  std::string ca_pem;  // empty: the system's
  bool skip_verify = false;
  std::string server_name;      // empty: the host of the URL
  std::string certificate_pem;  // client certificate, optional
  std::string key_pem;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;          // http://host:port/path?query, https://…; or with unix_socket: http://any/path
  std::string unix_socket;  // path of a Unix socket to connect to instead
  Headers headers;
  std::string body;
  TlsClientSettings tls;
  Duration timeout = std::chrono::seconds(10);
  std::size_t max_response_bytes = 64UL << 20;
};

// Does not follow redirects. Unavailable: could not connect, timed out (says which, and to where).
// Denied: the server's certificate was not accepted (says why).
using OnResponse = std::move_only_function<void(Result<Response>)>;
void fetch(EventLoop& loop, ClientRequest request, OnResponse on_response);

// The same with HTTP/2 when the server speaks it. The connection then stays open for streams to the same server, which
// saves a TLS handshake on both sides: see GrpcClientSettings::over. Null over HTTP/1.1; dropped, it is closed.
class KeptConnection;
using OnKept = std::move_only_function<void(Result<Response>, std::shared_ptr<KeptConnection>)>;
void fetch_and_keep(EventLoop& loop, ClientRequest request, OnKept on_response);

// Like fetch(), waiting for the answer. Not from a loop thread.
Result<Response> fetch_and_wait(ClientRequest request);

struct GrpcClientSettings {
  std::string url;               // https://host:port or http://host:port (HTTP/2 with prior knowledge)
  std::string unix_socket = {};  // path of a Unix socket to connect to instead
  TlsClientSettings tls;
  Duration connect_timeout = std::chrono::seconds(10);
  Duration keepalive_interval = std::chrono::seconds(30);
  std::shared_ptr<KeptConnection> over =
      nullptr;  // used if it still stands; else, or when empty, a new connection is made
};

// One stream over a connection of its own, or over one that was kept for it; for several see grpc_channel.h. `events`
// hears of everything, also of a failed connect (on_closed).
std::shared_ptr<GrpcStream> open_grpc_stream(EventLoop& loop, GrpcClientSettings settings, std::string path,
                                             Headers metadata, std::unique_ptr<GrpcEvents> events);

}  // namespace mesh::wire
