// The readiness port (9902): GET /ready says whether this task may get traffic. Envoy's listener of the same name and
// ECS's container health check ask it.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "sidecar/lifecycle.h"
#include "wire/server.h"

namespace mesh::sidecar {

wire::Response answer_readiness(const wire::Request& request, Standing standing);

class ReadinessServer {
 public:
  static Result<std::unique_ptr<ReadinessServer>> listen(wire::EventLoop& loop, const std::string& address,
                                                         std::uint32_t port);
  void set(Standing standing) { standing_->store(standing); }
  int port() const { return server_->port(); }

 private:
  std::shared_ptr<std::atomic<Standing>> standing_ = std::make_shared<std::atomic<Standing>>(Standing::Starting);
  std::unique_ptr<wire::Server> server_;
};

}  // namespace mesh::sidecar
