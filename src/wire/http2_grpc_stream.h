// One gRPC stream over HTTP/2, of a server or a client: what waits to be sent, and what is being received.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "wire/grpc.h"
#include "wire/grpc_framing.h"

namespace mesh::wire {

class Http2GrpcStream;

// Who carries a stream at the moment: a session, or a client that is still connecting.
class GrpcCarrier {
 public:
  virtual ~GrpcCarrier() = default;
  virtual void on_output(Http2GrpcStream& stream) = 0;     // there are messages to take
  virtual void on_finish(Http2GrpcStream& stream) = 0;     // finish_status() is set
  virtual void on_reading(Http2GrpcStream& /*stream*/) {}  // is_read() has changed
};

// The public side from any thread, the rest on the strand. It may outlive its connection: then nothing happens.
class Http2GrpcStream final : public GrpcStream, public std::enable_shared_from_this<Http2GrpcStream> {
 public:
  Http2GrpcStream(Strand strand, Headers headers, std::size_t max_message_bytes)
      : strand_(std::move(strand)), headers_(std::move(headers)), decoder_(max_message_bytes) {}

  void send(std::vector<Bytes> pieces) override;
  void finish(GrpcStatus status) override;
  void set_reading(bool reads) override;
  const Headers& headers() const override { return headers_; }
  void forget_headers() override { headers_ = Headers(); }
  const Peer& peer() const override;
  Strand strand() const override { return strand_; }
  std::size_t unsent_bytes() const override { return unsent_.load(std::memory_order_relaxed); }

  void set_peer(std::shared_ptr<const Peer> peer) { peer_ = std::move(peer); }
  void set_events(std::unique_ptr<GrpcEvents> events) { events_ = std::move(events); }
  void set_carrier(GrpcCarrier* carrier) { carrier_ = carrier; }
  bool is_closed() const { return is_closed_; }
  bool is_read() const { return is_read_; }

  // Sending: how much waits, and taking `size` bytes of it.
  std::size_t queued_bytes() const { return queued_bytes_; }
  void take(std::string& out, std::size_t size);
  const std::optional<GrpcStatus>& finish_status() const { return finish_status_; }

  // Receiving. A status: the peer broke the rules.
  std::optional<GrpcStatus> on_data(std::string_view bytes);
  std::optional<GrpcStatus> on_end();
  std::size_t buffered_bytes() const { return decoder_.buffered_bytes(); }
  bool is_between_messages() const { return decoder_.is_between_messages(); }
  void stop_receiving() { is_receiving_ = false; }

  void close(const GrpcStatus& status);  // tells the events, once
  // Its connection goes with a loop that was stopped: nobody is told, but stream and events no longer hold each other.
  void abandon();

 private:
  struct Outgoing {
    std::array<char, 5> prefix;
    std::vector<Bytes> pieces;
  };

  void queue(Outgoing message, std::size_t size);

  const Strand strand_;
  Headers headers_;
  std::shared_ptr<const Peer> peer_;
  std::atomic<std::size_t> unsent_ = 0;
  std::atomic<std::uint32_t> posted_ = 0;  // messages on their way to the strand

  GrpcCarrier* carrier_ = nullptr;
  std::unique_ptr<GrpcEvents> events_;
  std::vector<Outgoing> queue_;
  std::size_t first_ = 0;               // in queue_: those before are sent
  std::size_t piece_ = 0, offset_ = 0;  // in the first message; piece 0 is the prefix
  std::size_t queued_bytes_ = 0;
  std::optional<GrpcStatus> finish_status_;
  MessageDecoder decoder_;
  bool is_receiving_ = true, is_closed_ = false, is_read_ = true;
};

}  // namespace mesh::wire
