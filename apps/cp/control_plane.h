// The whole control plane: its rooms, made from the settings, in the order in which they need each other.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "settings/control_plane.h"

namespace mesh {

namespace wire {
class EventLoop;
}
class Store;
class Pipeline;

class ControlPlane {
 public:
  // Opens the store and all ports, and serves. What is wrong is said with the setting that it depends on.
  static Result<std::unique_ptr<ControlPlane>> start(const ControlPlaneSettings& settings, wire::EventLoop& loop,
                                                     const Clock& clock);
  // Call it after stop().
  ~ControlPlane();

  // No new connections; what runs may end within `grace`. Then stops the event loop.
  void stop(Duration grace);

  // As they turned out when a setting was 0.
  int api_port() const;
  int sidecar_port() const;
  int diagnostics_port() const;
  Store& store();
  Pipeline& pipeline();

 private:
  struct Rooms;
  explicit ControlPlane(std::unique_ptr<Rooms> rooms);
  std::unique_ptr<Rooms> rooms_;
};

}  // namespace mesh
