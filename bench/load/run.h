// One run: makes the mesh and its sidecars, goes through the phases, and measures each.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "load/api.h"
#include "load/fleet.h"
#include "load/report.h"
#include "load/server_process.h"

namespace mesh::load {

// What a run tells while it goes, and asks for. Called on the run's thread.
struct RunEvents {
  std::function<void(const std::string& phase, std::size_t reached, std::size_t of)> progress;
  std::function<long()> restart_control_plane;  // the new process; 0: it cannot be restarted
};

class Run {
 public:
  Run(const LoadSettings& settings, RunEvents events);

  Status prepare();
  void go();
  const std::vector<PhaseResult>& results() const { return results_; }

 private:
  using Phase = void (Run::*)(PhaseResult&);
  void measure(const std::string& name, Phase phase);
  void connect(PhaseResult& result);
  void join(PhaseResult& result);
  void leave(PhaseResult& result);
  void policy(PhaseResult& result);
  void permission(PhaseResult& result);
  void churn(PhaseResult& result);
  void reconnect(PhaseResult& result);
  void idle(PhaseResult& result);
  void restart(PhaseResult& result);
  // In overload.cc.
  void storm(PhaseResult& result);
  void slow(PhaseResult& result);
  void refusal(PhaseResult& result);
  bool change_policy(PhaseResult& result, const std::vector<std::shared_ptr<Sidecar>>& receivers);

  // Waits for what the fleet watches, and takes its latencies into the result.
  bool wait_for_watch(PhaseResult& result, std::size_t expected, const std::function<SteadyTime()>& since);
  // Waits until these have all that they ask for; latencies are from their start.
  bool wait_for_complete(PhaseResult& result, const std::vector<std::shared_ptr<Sidecar>>& sidecars,
                         SteadyTime deadline);
  void change_for_all(PhaseResult& result, XdsType type, const std::function<Status(int)>& put,
                      const std::function<std::string(int)>& needle);
  // Some leave, and as many new instances come: on the loop.
  void replace(std::size_t count, std::vector<std::shared_ptr<Sidecar>>& newcomers);
  void fail(PhaseResult& result, const std::string& problem);
  std::shared_ptr<Sidecar> add_spare();
  std::vector<std::shared_ptr<Sidecar>> callers_of(int service) const;

  const LoadSettings settings_;
  RunEvents events_;
  Fleet fleet_;
  Api api_;
  ServerProcess server_;
  std::vector<Instance> spare_instances_;  // with tokens, taken from the back
  std::vector<std::string> spare_tokens_;
  std::vector<std::shared_ptr<Sidecar>> joined_;
  int last_change_ = 0;
  std::vector<PhaseResult> results_;
};

}  // namespace mesh::load
