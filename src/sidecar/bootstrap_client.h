// Asks the control plane for the bootstrap until it answers: with growing pauses, saying what it waits for, and not for
// ever. A refusal that would be the same again ends it at once; one for the tags of an IAM role need not be.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "sidecar/bootstrap.h"
#include "sidecar/settings.h"
#include "wire/client.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

// Pauses between tries: 250 ms, doubled up to the longest, each shortened at random by up to a quarter, so that many
// sidecars that start together do not ask together.
class Backoff {
 public:
  Backoff(Duration first, Duration longest);
  Duration next();
  void reset() { next_ = first_; }

 private:
  Duration first_, longest_, next_;
};

class BootstrapClient {
 public:
  using OnDone = std::function<void(Result<Bootstrap>)>;

  BootstrapClient(wire::EventLoop& loop, wire::Strand strand, Clock& clock, const Settings& settings,
                  wire::TlsClientSettings tls);
  ~BootstrapClient();
  // `make_body` is called for each try: a token file may have a new content. `discovery_socket`: what it offers.
  void start(std::function<Result<std::string>()> make_body, std::string discovery_socket, OnDone on_done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mesh::sidecar
