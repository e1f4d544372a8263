// The stream on which the control plane hears where this proxy stands. It is opened again, with growing pauses, for as
// long as we live, and says the newest standing first each time. A control plane that does not know this service (a
// stock one) is asked no more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "sidecar/bootstrap_client.h"
#include "sidecar/lifecycle.h"
#include "wire/event_loop.h"
#include "wire/grpc_channel.h"

namespace mesh::sidecar {

struct ReportEvents {
  std::function<void(bool connected)> on_connected;
  std::function<void()> on_not_supported;
  std::function<void()> on_withdrawn;
};

struct ReportSettings {
  std::string cp_address;  // for messages
  std::shared_ptr<wire::GrpcChannel> channel;
  std::string mesh, name;
  ProxyRole proxy_type = ProxyRole::Dataplane;
  std::function<Secret()> read_token;  // for each stream: a token file may have a new content
};

// Used on its strand; events come on it.
class LifecycleReport {
 public:
  LifecycleReport(wire::Strand strand, ReportSettings settings, ReportEvents events);
  ~LifecycleReport();

  void tell(Standing standing, std::string reason, std::vector<std::uint32_t> unavailable_ports);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mesh::sidecar
