// Discovery over the connection that the manager has anyway: Envoy finds its control plane on a Unix socket, and each
// stream that it opens there is carried, message by message and unread, over the channel that the reports go over. So a
// sidecar costs the control plane one connection and one TLS handshake, and Envoy holds no credential.
//
// Only the services that a proxy has at its control plane are there. What ends on one side ends on the other; Envoy
// opens it again as it would without us, and says then what it has.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "wire/event_loop.h"
#include "wire/grpc_channel.h"
#include "wire/server.h"

namespace mesh::sidecar {

class DiscoveryCarrier {
 public:
  // Where the socket is in a work directory; empty: its path would be too long for one.
  static std::string socket_in(const std::string& work_dir);

  // `read_credential` is called for each stream, on any thread: a file may have a new content. Empty: there is none.
  static Result<std::unique_ptr<DiscoveryCarrier>> listen(wire::EventLoop& loop, const std::string& socket,
                                                          std::shared_ptr<wire::GrpcChannel> channel,
                                                          std::function<Secret()> read_credential);

 private:
  explicit DiscoveryCarrier(std::unique_ptr<wire::Server> server) : server_(std::move(server)) {}
  std::unique_ptr<wire::Server> server_;
};

}  // namespace mesh::sidecar
