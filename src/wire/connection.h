// Carries the bytes of one protocol over one socket: TLS handshake, reading, writing, time. Lives by shared_ptr, held
// by what it waits for and by its owner. All on its strand, but for the constructor, start() and the posts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "wire/descriptor.h"
#include "wire/protocol.h"
#include "wire/transport.h"

namespace mesh::wire {

class Connection;

// Who made a connection: a server, or a client's request.
class ConnectionOwner {
 public:
  virtual ~ConnectionOwner() = default;
  // The transport stands. `alpn` is what TLS agreed on, if anything.
  virtual std::unique_ptr<Protocol> make_protocol(Connection& connection, std::string_view alpn) = 0;
  // The handshake did not come to its end; make_protocol() was not called.
  virtual void on_handshake_failed(Connection& connection, const Error& reason) = 0;
  virtual void on_first_bytes(Connection&) {}
  virtual void on_first_request(Connection&) {}
  virtual void on_closed(Connection& connection) = 0;  // the last call, always
};

class Connection final : public ProtocolHost, public std::enable_shared_from_this<Connection> {
 public:
  // `ssl` empty: plain.
  Connection(Strand strand, int fd, Ssl ssl, Peer peer, std::shared_ptr<ConnectionOwner> owner);
  ~Connection() override;

  void start(Duration handshake_timeout);  // from any thread, once
  void post_close(Error reason);           // from any thread
  void post_drain();                       // from any thread
  void limit_age(Duration age);            // from any thread, once: drained then, and closed a little later

  void wake() override;
  void on_first_request() override;
  const Strand& strand() const override { return strand_; }
  const std::shared_ptr<const Peer>& peer() const override { return peer_; }
  const ssl_st* ssl() const { return transport_.ssl(); }

 private:
  enum class Phase { Handshake, Open, Lingering, Closed };

  void shake_hands();
  void open();
  void fail_handshake(const char* timed_out);
  void on_readable();
  void note_first_bytes();
  void arm_read();
  void wait_until_it_is_read_again();
  void turn();  // output, then what follows from it: closing, reading again, deadlines
  bool write_output();
  void begin_lingering();
  void linger();
  void set_deadline();
  void on_time();
  void close(const Error& reason);

  const Strand strand_;
  Descriptor descriptor_;
  Transport transport_;
  std::shared_ptr<const Peer> peer_;
  std::shared_ptr<ConnectionOwner> owner_;
  std::unique_ptr<Protocol> protocol_;
  Timer timer_, age_timer_;
  SteadyTime timer_at_ = Protocol::kNever;
  SteadyTime phase_deadline_ = Protocol::kNever;  // of the handshake, or of lingering
  SteadyTime blocked_since_ = Protocol::kNever;   // output waits for the peer
  Phase phase_ = Phase::Handshake;
  bool has_spoken_ = false, is_reading_ = false, is_writing_ = false, is_woken_ = false, peer_ended_ = false;
  bool is_watched_ = false;  // while nothing is read
};

}  // namespace mesh::wire
