// One TCP server that access logs are sent to. It connects when there is something to send, and again, with pauses that
// grow, when the connection is lost. What cannot be sent waits, up to a limit; then the oldest lines are lost.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "wire/descriptor.h"
#include "wire/dial.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

struct AccessLogLimits {
  std::size_t max_line = 64UL << 10;
  std::size_t max_waiting = 128UL << 10;  // bytes of memory, for each server
  std::size_t max_backends = 8;
  Duration connect_timeout = std::chrono::seconds(5);
  Duration first_pause = std::chrono::milliseconds(500), longest_pause = std::chrono::seconds(30);
  Duration say_again = std::chrono::seconds(30);  // how often a loss that goes on is logged
};

// Everything on its strand.
class AccessLogBackend : public std::enable_shared_from_this<AccessLogBackend> {
 public:
  // Invalid: `address` is not "host:port".
  static Result<std::shared_ptr<AccessLogBackend>> make(wire::Strand strand, const Clock& clock,
                                                        const std::string& address, AccessLogLimits limits);
  AccessLogBackend(wire::Strand strand, const Clock& clock, wire::ClientUrl where, AccessLogLimits limits);

  void send(std::string message);  // never waits
  bool is_idle() const { return waiting_.empty(); }
  std::size_t waiting_bytes() const { return waiting_bytes_; }
  std::size_t lost() const { return lost_; }
  SteadyTime last_used() const { return last_used_; }

 private:
  enum class Phase { Idle, Connecting, Pausing, Connected };

  void connect();
  void on_connected(Result<wire::Dial::Connected> connected);
  void wait_for_end();
  void write();
  void on_lost(const std::string& reason);
  void pause(const std::string& reason);
  void drop_front();
  void say(const std::string& what);

  const wire::Strand strand_;
  const Clock& clock_;
  const wire::ClientUrl where_;
  const AccessLogLimits limits_;
  Phase phase_ = Phase::Idle;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0, sent_of_first_ = 0, lost_ = 0;
  bool is_writing_ = false;  // the socket takes no more at the moment
  std::weak_ptr<wire::Dial> dial_;
  wire::Descriptor socket_;
  wire::Timer timer_;
  Duration pause_;
  SteadyTime last_used_{}, said_at_ = SteadyTime::min();
};

}  // namespace mesh::sidecar
