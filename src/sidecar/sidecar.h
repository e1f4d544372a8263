// One sidecar, from its settings to its exit code: renders the template, finds Envoy, asks the control plane, runs
// Envoy, reports, drains. Everything happens on one strand of one event loop; Lifecycle decides, this carries out.
#pragma once

#include <memory>

#include "aws/environment.h"
#include "base/clock.h"
#include "sidecar/child_process.h"
#include "sidecar/settings.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

// What the process around us gives. apps/dp fills it; tests too.
struct Surroundings {
  wire::EventLoop& loop;
  Clock& clock;
  ProcessRunner& processes;
  std::string search_path;            // PATH
  std::string own_program;            // where we are ourselves
  aws::Environment environment = {};  // for --auth-type=aws: what the tools of AWS read
};

class Sidecar {
 public:
  Sidecar(Surroundings surroundings, Settings settings, std::function<void(int exit_code)> on_exit);
  ~Sidecar();

  // Checks and reads everything local at once; an error means that nothing was started.
  Status start();
  void on_signal(int number);  // any thread

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace mesh::sidecar
