// What is spoken on one connection, without sockets: bytes in, bytes out, and a deadline. HTTP/1.1 and HTTP/2 are
// protocols; a Connection carries their bytes. Everything happens on the connection's strand.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "wire/event_loop.h"
#include "wire/http.h"

namespace mesh::wire {

// What a protocol may ask of its connection. Whoever outlives the connection holds it weakly.
class ProtocolHost {
 public:
  virtual ~ProtocolHost() = default;
  // There is output, input is wanted again, or the deadline moved. Acts in a later turn, once for many calls.
  virtual void wake() = 0;
  // The peer has shown that it is a client: its first request is there.
  virtual void on_first_request() = 0;
  virtual const Strand& strand() const = 0;
  virtual const std::shared_ptr<const Peer>& peer() const = 0;
};

class Protocol {
 public:
  static constexpr SteadyTime kNever = SteadyTime::max();

  virtual ~Protocol() = default;
  virtual void on_bytes(std::string_view bytes) = 0;
  virtual void on_end() = 0;                      // the peer will send no more; the connection closes when is_done()
  virtual void on_lost(const Error& reason) = 0;  // the last call: nobody will take output any more
  // Appends output until `out` has `limit` bytes (a little more is fine) or there is none.
  virtual void take_output(std::string& out, std::size_t limit) = 0;
  virtual bool wants_input() const = 0;  // false: leave the rest in the socket until wake()
  virtual bool is_done() const = 0;      // close the connection once all output is out
  virtual SteadyTime deadline() const = 0;
  virtual void on_deadline(SteadyTime now) = 0;
  virtual Duration write_timeout() const = 0;  // how long a peer may take nothing of what we send
  virtual void drain() = 0;                    // end after what is running now
};

}  // namespace mesh::wire
