#include "sidecar/access_log_backend.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace mesh::sidecar {

namespace {

constexpr std::size_t kLinesAtOnce = 64;

// In memory: small lines cost more than their text.
std::size_t cost_of(const std::string& line) { return line.size() + sizeof(std::string) + 16; }

}  // namespace

Result<std::shared_ptr<AccessLogBackend>> AccessLogBackend::make(wire::Strand strand, const Clock& clock,
                                                                 const std::string& address, AccessLogLimits limits) {
  auto where = wire::ClientUrl::parse("http://" + address);
  if (!where || where->authority != address || where->target != "/") {
    return invalid("access log", "\"" + address.substr(0, 256) + "\" is no address of a server (host:port)");
  }
  return std::make_shared<AccessLogBackend>(std::move(strand), clock, *std::move(where), limits);
}

AccessLogBackend::AccessLogBackend(wire::Strand strand, const Clock& clock, wire::ClientUrl where,
                                   AccessLogLimits limits)
    : strand_(std::move(strand)),
      clock_(clock),
      where_(std::move(where)),
      limits_(limits),
      pause_(limits.first_pause) {}

void AccessLogBackend::send(std::string message) {
  last_used_ = clock_.steady();
  waiting_bytes_ += cost_of(message);
  waiting_.push_back(std::move(message));
  while (waiting_bytes_ > limits_.max_waiting && waiting_.size() > 1) {
    // The first one is half out: the next oldest goes.
    const auto oldest = sent_of_first_ > 0 ? std::next(waiting_.begin()) : waiting_.begin();
    waiting_bytes_ -= cost_of(*oldest);
    waiting_.erase(oldest);
    ++lost_;
    say("lines are lost: it does not take them as fast as they come");
  }
  if (phase_ == Phase::Idle) connect();
  if (phase_ == Phase::Connected && !is_writing_) write();
}

void AccessLogBackend::connect() {
  phase_ = Phase::Connecting;
  dial_ = wire::Dial::start(strand_, where_, "", limits_.connect_timeout, [weak = weak_from_this()](auto connected) {
    if (const auto self = weak.lock()) return self->on_connected(std::move(connected));
    if (connected) ::close(connected->fd);
  });
  // Dial gives each address its share of the time but the last one, which is ours to watch.
  timer_ = strand_.after(limits_.connect_timeout, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->phase_ != Phase::Connecting) return;
    if (const auto dial = self->dial_.lock()) dial->cancel();
    self->pause("cannot connect: timed out");
  });
}

void AccessLogBackend::on_connected(Result<wire::Dial::Connected> connected) {
  timer_.cancel();
  if (!connected) return pause(connected.error().text);
  phase_ = Phase::Connected;
  is_writing_ = false;
  socket_ = wire::Descriptor(strand_, connected->fd);
  MESH_LOG_INFO("sidecar", "access logs go to {}", where_.authority);
  wait_for_end();
  write();
}

// A server that went away is noticed at once, and not by the next lines that get lost.
void AccessLogBackend::wait_for_end() {
  socket_.wait_readable([weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->phase_ != Phase::Connected) return;
    std::array<char, 1024> ignored;
    const ssize_t got = ::recv(self->socket_.fd(), ignored.data(), ignored.size(), MSG_DONTWAIT);
    if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return self->wait_for_end();
    self->on_lost(got == 0 ? "it closed the connection" : std::strerror(errno));
  });
}

void AccessLogBackend::write() {
  while (!waiting_.empty()) {
    std::array<iovec, kLinesAtOnce> parts;
    std::size_t count = 0;
    for (auto line = waiting_.begin(); line != waiting_.end() && count < parts.size(); ++line, ++count) {
      const std::size_t from = count == 0 ? sent_of_first_ : 0;
      parts[count] = {line->data() + from, line->size() - from};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      is_writing_ = true;
      socket_.wait_writable([weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self || self->phase_ != Phase::Connected) return;
        self->is_writing_ = false;
        self->write();
      });
      return;
    }
    if (sent < 0) return on_lost(std::strerror(errno));
    pause_ = limits_.first_pause;
    sent_of_first_ += static_cast<std::size_t>(sent);
    while (!waiting_.empty() && sent_of_first_ >= waiting_.front().size()) {
      sent_of_first_ -= waiting_.front().size();
      drop_front();
    }
  }
}

void AccessLogBackend::drop_front() {
  waiting_bytes_ -= cost_of(waiting_.front());
  waiting_.pop_front();
}

void AccessLogBackend::on_lost(const std::string& reason) {
  socket_.close();
  if (sent_of_first_ > 0) {  // half a line was sent; its other half alone would be nonsense
    sent_of_first_ = 0;
    drop_front();
    ++lost_;
  }
  if (waiting_.empty()) {
    phase_ = Phase::Idle;
    return;
  }
  pause("the connection broke: " + reason);
}

void AccessLogBackend::pause(const std::string& reason) {
  say(reason);
  phase_ = Phase::Pausing;
  timer_ = strand_.after(pause_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->connect();
  });
  pause_ = std::min<Duration>(pause_ * 2, limits_.longest_pause);
}

void AccessLogBackend::say(const std::string& what) {
  const SteadyTime now = clock_.steady();
  if (said_at_ != SteadyTime::min() && now < said_at_ + limits_.say_again) return;
  said_at_ = now;
  MESH_LOG_WARN("sidecar", "access logs for {}: {} ({} lines lost so far, {} waiting)", where_.authority, what, lost_,
                waiting_.size());
}

}  // namespace mesh::sidecar
