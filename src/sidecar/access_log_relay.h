// The pipe that Envoy writes access logs to when they are meant for a TCP server: read at once, however slow a server
// is, so that Envoy never waits, and sent on. The path is the one that the control plane writes into Envoy's
// configuration.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "sidecar/access_log_backend.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

// Where the peer's control plane, and ours, expect the pipe of a proxy.
std::string access_log_path(const std::string& work_dir, const std::string& name, const std::string& mesh);

// Use it on its strand, and destroy it there or when the loop has ended. The pipe goes with it.
class AccessLogRelay {
 public:
  // Replaces what is at `path`. Call it before Envoy starts: it would make a plain file there, and fill the disk.
  static Result<std::unique_ptr<AccessLogRelay>> open(const wire::Strand& strand, const Clock& clock,
                                                      const std::string& path, AccessLogLimits limits = {});
  ~AccessLogRelay();

  // Envoy has ended: `done` is called when all it has written is sent, or after `limit`.
  void flush(Duration limit, std::function<void()> done);
  std::size_t waiting_bytes() const;

 private:
  struct State;
  explicit AccessLogRelay(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace mesh::sidecar
