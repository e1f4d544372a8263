// What ECS says about the task around us (task metadata, version 4), asked about once a second, and whether the
// applications behind our inbounds take connections yet.
//
// ECS stops containers in the reverse order of `dependsOn`: an application that depends on its sidecar hears SIGTERM
// first, and the sidecar only when the application is gone. But the metadata say at once that the task is to stop. And
// such an application starts after its sidecar is ready: its endpoint is worth giving to others only once it listens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sidecar/proxy_resource.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

// An inbound, and the application that it leads to.
struct AppPort {
  std::uint32_t inbound_port = 0;
  SocketAddress app;
};
std::vector<AppPort> app_ports_of(const ProxyResource& resource);

// The parts of the task metadata that matter here.
struct TaskView {
  bool stopping = false;
  std::vector<std::string> unhealthy;  // containers whose health check does not succeed (or did not yet), less our own
};
Result<TaskView> read_task(std::string_view metadata, std::string_view own_container_id);
Result<std::string> read_own_container_id(std::string_view metadata);

struct TaskWatchEvents {
  std::function<void()> on_stopping;  // once
  // Inbound ports behind which nobody serves yet, and why; again whenever that changes. First when it is known.
  std::function<void(std::vector<std::uint32_t> unavailable, std::string reason)> on_apps;
};

// Used on its strand; events come on it.
class TaskWatch {
 public:
  TaskWatch(wire::EventLoop& loop, wire::Strand strand, std::string metadata_uri, std::vector<AppPort> apps,
            TaskWatchEvents events);
  ~TaskWatch();
  TaskWatch(const TaskWatch&) = delete;
  TaskWatch& operator=(const TaskWatch&) = delete;

  void start();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mesh::sidecar
