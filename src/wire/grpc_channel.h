// The gRPC streams of a client to one server, all over one connection. It is made when the first stream is opened, and
// anew when one is opened after it was lost or the server sent us elsewhere (GOAWAY); streams that are opened meanwhile
// wait for it. A lost stream is not opened again: who wants it back decides when.
#pragma once

#include <memory>
#include <string>

#include "wire/client.h"
#include "wire/dial.h"
#include "wire/event_loop.h"
#include "wire/grpc.h"

namespace mesh::wire {

class GrpcDial;
class Http2GrpcStream;

// Thread-safe. Streams outlive it: the connection ends with the last of them.
class GrpcChannel : public std::enable_shared_from_this<GrpcChannel> {
 public:
  static std::shared_ptr<GrpcChannel> make(EventLoop& loop, GrpcClientSettings settings);
  ~GrpcChannel();
  GrpcChannel(const GrpcChannel&) = delete;
  GrpcChannel& operator=(const GrpcChannel&) = delete;

  // `events` hears of everything, also of a failed connect (on_closed).
  std::shared_ptr<GrpcStream> open(std::string path, Headers metadata, std::unique_ptr<GrpcEvents> events);

 private:
  friend class GrpcDial;
  GrpcChannel(EventLoop& loop, GrpcClientSettings settings);
  void start(const std::string& path, const std::shared_ptr<Http2GrpcStream>& stream);

  std::shared_ptr<KeptConnection> kept_;  // that streams are opened on; may not stand any more
  const Strand strand_;
  const std::shared_ptr<const GrpcClientSettings> settings_;
  const Result<ClientUrl> url_;
  std::weak_ptr<GrpcDial> dial_;  // it holds itself until it is over
};

}  // namespace mesh::wire
