// gRPC streams: length-prefixed messages over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
// Messages are bytes here; who uses a stream parses them. A message to send may come in several shared pieces, so that
// bytes that many streams send exist once.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/event_loop.h"
#include "wire/http.h"

namespace mesh::wire {

using mesh::Bytes;

struct GrpcStatus {
  int code = 0;  // 0 OK, 3 INVALID_ARGUMENT, 7 PERMISSION_DENIED, 14 UNAVAILABLE, 16 UNAUTHENTICATED …
  std::string message;
};

// The side of a stream that sends. Its methods may be called from any thread; they are carried out on strand().
class GrpcStream {
 public:
  virtual ~GrpcStream() = default;
  virtual void send(std::vector<Bytes> pieces) = 0;  // the pieces together are one message
  virtual void finish(GrpcStatus status) = 0;        // server: trailers; client: half-close when OK, else reset
  virtual const Headers& headers() const = 0;        // what the peer opened it with (server side)
  virtual void forget_headers() {}                   // on strand(), once they were looked at: streams live long
  virtual const Peer& peer() const = 0;
  virtual Strand strand() const = 0;
  // Clients: leaves what comes on this stream unread, so that the peer cannot send on. Other streams of the connection
  // go on.
  virtual void set_reading(bool /*reads*/) {}
  virtual std::size_t unsent_bytes() const = 0;  // what the peer has not taken yet; for slow-reader decisions
};

// What happens on a stream. Called on its strand, never after on_closed().
class GrpcEvents {
 public:
  virtual ~GrpcEvents() = default;
  virtual void on_message(std::string message) = 0;
  virtual void on_half_closed() {}  // the peer will send no more
  virtual void on_all_sent() {}  // nothing waits to be sent any more. Amid sending: what follows from it must be posted
  virtual void on_closed(const GrpcStatus& status) = 0;  // the stream or its connection is gone; the last call
};

// Makes the receiver of a new server stream. The path is "/package.Service/Method".
using GrpcOpen = std::function<std::unique_ptr<GrpcEvents>(std::shared_ptr<GrpcStream>)>;
using GrpcServices = std::map<std::string, GrpcOpen, std::less<>>;

}  // namespace mesh::wire
