// The names of the mesh as they are now. They come through Envoy, which has them from the control plane: on a Unix
// socket in the work folder, asked again and again. It says when they are the same as before.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sidecar/dns_message.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

class NameFeed {
 public:
  // `on_names` is called on the strand.
  NameFeed(wire::EventLoop& loop, wire::Strand strand, const std::string& work_dir,
           std::function<void(MeshNames)> on_names);
  ~NameFeed();

  // Whether a socket can be in it: their paths may not be long.
  static Status check(const std::string& work_dir);
  bool has_names() const;  // on the strand

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mesh::sidecar
