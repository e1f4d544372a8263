// Whether something takes connections at the addresses where Envoy should. Connections to an address of our own machine
// succeed or fail at once; what is not decided at once is looked at again with the next question, so nothing ever
// waits.
#pragma once

#include <string>
#include <vector>

#include "sidecar/proxy_resource.h"

namespace mesh::sidecar {

class InboundProbe {
 public:
  explicit InboundProbe(std::vector<SocketAddress> addresses);
  ~InboundProbe();
  InboundProbe(const InboundProbe&) = delete;
  InboundProbe& operator=(const InboundProbe&) = delete;

  // The addresses that do not take connections now.
  std::vector<SocketAddress> find_closed();

 private:
  struct Target;
  std::vector<Target> targets_;
};

}  // namespace mesh::sidecar
