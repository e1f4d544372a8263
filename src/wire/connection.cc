#include "wire/connection.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/log.h"

namespace mesh::wire {

namespace {

constexpr Duration kGoodbye = std::chrono::seconds(1);

constexpr std::size_t kReadSize = 16UL << 10;  // a TLS record
constexpr int kReadsPerTurn = 8;
constexpr int kWritesPerTurn = 4;  // of Scratch::kSize each; then others get their turn
constexpr Duration kLinger = std::chrono::seconds(2);
constexpr Duration kFar = std::chrono::seconds(5);  // a deadline of which a second more or less does not matter

Error unavailable(std::string text) { return error(ErrorKind::Unavailable, std::move(text)); }

}  // namespace

Connection::Connection(Strand strand, int fd, Ssl ssl, Peer peer, std::shared_ptr<ConnectionOwner> owner)
    : strand_(std::move(strand)), descriptor_(strand_, fd), owner_(std::move(owner)) {
  peer.is_tls = ssl != nullptr;
  peer_ = std::make_shared<const Peer>(std::move(peer));
  transport_.open(fd, std::move(ssl));
}

Connection::~Connection() = default;

void Connection::start(Duration handshake_timeout) {
  strand_.post([self = shared_from_this(), handshake_timeout] {
    if (self->phase_ != Phase::Handshake) return;
    if (!self->transport_.is_tls()) return self->open();
    self->phase_deadline_ = real_clock().steady() + handshake_timeout;
    self->set_deadline();
    self->shake_hands();
  });
}

void Connection::post_close(Error reason) {
  strand_.post([self = shared_from_this(), reason = std::move(reason)] { self->close(reason); });
}

void Connection::post_drain() {
  strand_.post([self = shared_from_this()] {
    if (self->phase_ == Phase::Handshake) return self->close(unavailable("the server is shutting down"));
    if (self->phase_ != Phase::Open) return;
    self->protocol_->drain();
    self->turn();
  });
}

void Connection::limit_age(Duration age) {
  strand_.post([self = shared_from_this(), age] {
    self->age_timer_ = self->strand_.after(age, [weak = self->weak_from_this()] {
      const auto old = weak.lock();
      if (!old || old->phase_ != Phase::Open) return;
      old->protocol_->drain();
      old->turn();
      if (old->phase_ != Phase::Open) return;
      // Streams that never end by themselves are opened anew elsewhere.
      old->age_timer_ = old->strand_.after(kGoodbye, [weak] {
        if (const auto same = weak.lock())
          same->close(unavailable("the connection is old enough; a new one spreads the load"));
      });
    });
  });
}

void Connection::shake_hands() {
  if (phase_ != Phase::Handshake) return;
  Transport::Outcome outcome = transport_.handshake();
  note_first_bytes();
  Transport::Outcome sent = transport_.flush();
  if (outcome == Transport::Outcome::Ok) return open();
  if (outcome != Transport::Outcome::WouldBlock || sent == Transport::Outcome::Failed) return fail_handshake(nullptr);
  auto again = [self = shared_from_this()] { self->shake_hands(); };
  if (sent == Transport::Outcome::WouldBlock) {
    descriptor_.wait_writable(again);
  } else {
    descriptor_.wait_readable(again);
  }
}

void Connection::fail_handshake(const char* timed_out) {
  if (transport_.got_plain_http()) {
    constexpr std::string_view kAnswer =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        "Content-Length: 55\r\n\r\nThis port speaks TLS: use https:// instead of http://.\n";
    [[maybe_unused]] auto ignored = ::write(descriptor_.fd(), kAnswer.data(), kAnswer.size());
  }
  std::string problem = transport_.ssl() != nullptr ? certificate_problem(transport_.ssl()) : "";
  Error reason = timed_out != nullptr ? unavailable(timed_out)
                 : !problem.empty()
                     ? error(ErrorKind::Denied, "the certificate of the other side was not accepted: " + problem)
                     : unavailable("TLS handshake failed: " + transport_.failure());
  MESH_LOG_DEBUG("wire", "{}:{}: {}", peer_->address, peer_->port, reason.text);
  owner_->on_handshake_failed(*this, reason);
  close(reason);
}

void Connection::open() {
  std::string alpn;
  if (transport_.is_tls()) {
    alpn = chosen_alpn(transport_.ssl());
    if (std::string pem = peer_certificate_pem(transport_.ssl()); !pem.empty()) {
      Peer with_certificate = *peer_;
      with_certificate.client_certificate_pem = std::move(pem);
      peer_ = std::make_shared<const Peer>(std::move(with_certificate));
    }
  }
  phase_ = Phase::Open;
  phase_deadline_ = Protocol::kNever;
  protocol_ = owner_->make_protocol(*this, alpn);
  on_readable();  // the last flight of the handshake may have brought more
}

void Connection::wake() {
  if (is_woken_) return;
  is_woken_ = true;
  strand_.post([self = shared_from_this()] {
    self->is_woken_ = false;
    self->turn();
  });
}

void Connection::on_first_request() { owner_->on_first_request(*this); }

void Connection::note_first_bytes() {
  if (has_spoken_ || !transport_.has_received()) return;
  has_spoken_ = true;
  owner_->on_first_bytes(*this);
}

void Connection::arm_read() {
  if (is_reading_ || peer_ended_ || !protocol_->wants_input()) return;
  is_reading_ = true;
  descriptor_.wait_readable([self = shared_from_this()] {
    self->is_reading_ = false;
    self->on_readable();
  });
}

void Connection::on_readable() {
  if (phase_ == Phase::Lingering) return linger();
  if (phase_ != Phase::Open || is_reading_) return;
  Scratch buffer;
  buffer->resize(kReadSize);
  // What there is to write when all has been read is written then: it needs no turn of its own.
  const bool was_woken = std::exchange(is_woken_, true);
  for (int reads = 0;; ++reads) {
    if (!protocol_->wants_input() || peer_ended_) break;
    if (reads == kReadsPerTurn) {
      // Not waited for: TLS may hold bytes that the socket does not show any more.
      is_reading_ = true;
      strand_.post([self = shared_from_this()] {
        self->is_reading_ = false;
        self->on_readable();
      });
      break;
    }
    std::size_t got = 0;
    Transport::Outcome outcome = transport_.read(buffer->data(), kReadSize, got);
    note_first_bytes();
    if (outcome == Transport::Outcome::Ok) {
      protocol_->on_bytes(std::string_view(buffer->data(), got));
      if (!transport_.is_drained()) continue;
      arm_read();
      break;
    } else if (outcome == Transport::Outcome::WouldBlock) {
      arm_read();
      break;
    } else if (outcome == Transport::Outcome::End) {
      peer_ended_ = true;
      protocol_->on_end();
    } else {
      return close(unavailable("the connection broke: " + transport_.failure()));
    }
  }
  is_woken_ = was_woken;
  turn();
}

void Connection::turn() {
  if (phase_ != Phase::Open) return;
  if (!write_output()) return close(unavailable("the connection broke: " + transport_.failure()));
  if (protocol_->is_done() && transport_.kept_bytes() == 0) return begin_lingering();
  if (!is_reading_ && !peer_ended_ && protocol_->wants_input()) {
    // Reading stopped since the protocol was busy. TLS may hold bytes, so it is tried and not waited for.
    is_reading_ = true;
    strand_.post([self = shared_from_this()] {
      self->is_reading_ = false;
      self->on_readable();
    });
  }
  if (!is_reading_ && !is_writing_ && !peer_ended_) wait_until_it_is_read_again();
  set_deadline();
}

// The waits of a connection keep it alive, and one that is not read now has no other.
void Connection::wait_until_it_is_read_again() {
  if (std::exchange(is_watched_, true)) return;
  descriptor_.wait_broken([self = shared_from_this()] {
    self->is_watched_ = false;
    if (self->phase_ != Phase::Open || self->is_reading_) return;  // reading tells more
    self->close(unavailable("the connection broke"));
  });
}

// False: the connection is broken.
bool Connection::write_output() {
  if (is_writing_) return true;  // the peer is slow; we go on when the socket takes more
  for (int writes = 0; writes < kWritesPerTurn; ++writes) {
    Scratch output;
    if (transport_.kept_bytes() == 0) {
      protocol_->take_output(*output, Scratch::kSize);
      if (!output->empty() && !transport_.write(*output)) return false;
    }
    if (transport_.kept_bytes() == 0) {
      blocked_since_ = Protocol::kNever;
      if (output->empty()) return true;
      continue;
    }
    std::size_t before = transport_.kept_bytes();
    Transport::Outcome outcome = transport_.flush();
    if (outcome == Transport::Outcome::Failed) return false;
    if (outcome == Transport::Outcome::Ok) continue;
    if (blocked_since_ == Protocol::kNever || transport_.kept_bytes() != before || !output->empty()) {
      blocked_since_ = real_clock().steady();
    }
    is_writing_ = true;
    descriptor_.wait_writable([self = shared_from_this()] {
      self->is_writing_ = false;
      self->turn();
    });
    return true;
  }
  wake();
  return true;
}

// Closing a socket with unread input would reset it, and the peer might lose our last words.
void Connection::begin_lingering() {
  protocol_->on_lost(unavailable("the connection was closed"));
  transport_.say_goodbye();
  phase_ = Phase::Lingering;
  phase_deadline_ = real_clock().steady() + kLinger;
  if (peer_ended_) return close(unavailable("the connection was closed"));
  set_deadline();
  if (!is_reading_) linger();
}

void Connection::linger() {
  for (int reads = 0; reads < kReadsPerTurn; ++reads) {
    Transport::Outcome outcome = transport_.discard();
    if (outcome == Transport::Outcome::WouldBlock) break;
    if (outcome != Transport::Outcome::Ok) return close(unavailable("the connection was closed"));
  }
  is_reading_ = true;
  descriptor_.wait_readable([self = shared_from_this()] {
    self->is_reading_ = false;
    self->on_readable();
  });
}

// The timer is moved only when the deadline comes nearer: it costs nothing while a connection is busy. Deadlines that
// are far come together with those of other connections: whoever wakes up for one sees to all of them.
void Connection::set_deadline() {
  SteadyTime at = phase_deadline_;
  if (phase_ == Phase::Open) {
    at = protocol_->deadline();
    if (blocked_since_ != Protocol::kNever) at = std::min(at, blocked_since_ + protocol_->write_timeout());
  }
  if (at == Protocol::kNever || phase_ == Phase::Closed) return;
  const SteadyTime now = real_clock().steady();
  if (at - now > kFar) at = std::chrono::ceil<std::chrono::seconds>(at);
  if (at >= timer_at_) return;
  timer_at_ = at;
  timer_ = strand_.after(at - now, [self = weak_from_this()] {
    if (auto connection = self.lock()) connection->on_time();
  });
}

void Connection::on_time() {
  timer_at_ = Protocol::kNever;
  SteadyTime now = real_clock().steady();
  if (phase_ == Phase::Handshake) {
    if (now >= phase_deadline_) return fail_handshake("the TLS handshake timed out");
  } else if (phase_ == Phase::Lingering) {
    if (now >= phase_deadline_) return close(unavailable("the connection was closed"));
  } else if (phase_ == Phase::Open) {
    if (blocked_since_ != Protocol::kNever && now >= blocked_since_ + protocol_->write_timeout()) {
      return close(unavailable("the peer took nothing of what was sent for too long"));
    }
    if (now >= protocol_->deadline()) protocol_->on_deadline(now);
    return turn();
  }
  set_deadline();
}

void Connection::close(const Error& reason) {
  if (phase_ == Phase::Closed) return;
  auto self = shared_from_this();
  Phase before = std::exchange(phase_, Phase::Closed);
  if (before == Phase::Open) protocol_->on_lost(reason);
  timer_.cancel();
  age_timer_.cancel();
  descriptor_.close();
  transport_.close();
  protocol_.reset();
  owner_->on_closed(*this);
  owner_.reset();
}

}  // namespace mesh::wire
