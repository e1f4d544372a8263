#include "sidecar/lifecycle.h"

#include <algorithm>
#include <csignal>
#include <cstring>

namespace mesh::sidecar {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A look costs Envoy next to nothing, and how soon a new task takes traffic depends on it.
constexpr Duration kFirstCheckPause = milliseconds(20);
constexpr Duration kLongestCheckPause = milliseconds(500);
constexpr Duration kReadyCheckPause = seconds(5);
constexpr Duration kCountPause = milliseconds(200);
constexpr Duration kLongestConfirm = seconds(5);
// Without a confirmation others hear of it by health checks: the peer's control plane looks every 5 s, then pushes.
constexpr Duration kLongestSettle = seconds(12);
constexpr Duration kFailureReport = milliseconds(500);

Action say(std::string text) { return {.kind = Action::Kind::Say, .text = std::move(text)}; }
Action start_timer(Timer timer, Duration delay) {
  return {.kind = Action::Kind::StartTimer, .timer = timer, .delay = delay};
}
Action stop_timer(Timer timer) { return {.kind = Action::Kind::StopTimer, .timer = timer}; }
Action signal_envoy(int number) { return {.kind = Action::Kind::SignalEnvoy, .number = number}; }
Action exit_with(int code) { return {.kind = Action::Kind::Exit, .number = code}; }
Action check_envoy(bool probe_inbounds) { return {.kind = Action::Kind::CheckEnvoy, .number = probe_inbounds ? 1 : 0}; }

}  // namespace

std::string ProcessEnd::to_string() const {
  if (signal == 0) return "exit code " + std::to_string(exit_code);
  return "signal " + std::to_string(signal) + " (" + strsignal(signal) + ")";
}

Lifecycle::Lifecycle(Duration stop_budget) : budget_(stop_budget) {}

Duration Lifecycle::kill_reserve() const { return std::min<Duration>(seconds(2), budget_ / 5); }

Actions Lifecycle::tell(Standing standing, std::string reason) {
  standing_ = standing;
  return {{.kind = Action::Kind::Tell, .standing = standing, .text = std::move(reason)}};
}

Actions Lifecycle::on_envoy_started() {
  envoy_runs_ = true;
  if (phase_ != Phase::Starting) return {};
  check_pause_ = kFirstCheckPause;
  Actions actions = tell(Standing::Starting, "Envoy was started");
  actions.push_back(check_envoy(true));
  return actions;
}

Actions Lifecycle::on_check(const std::string& problem, bool answered) {
  const bool waiting = phase_ == Phase::Starting || phase_ == Phase::NotReady;
  if (!waiting && phase_ != Phase::Ready) return {};
  if (!waiting && !answered) return {start_timer(Timer::Check, kReadyCheckPause)};

  if (problem.empty()) {
    Actions actions;
    if (waiting) {
      actions = tell(Standing::Ready, {});
      actions.push_back(say(phase_ == Phase::Starting
                                ? "ready: Envoy has its configuration and every inbound takes connections"
                                : "ready again"));
      phase_ = Phase::Ready;
    }
    last_problem_.clear();
    actions.push_back(start_timer(Timer::Check, kReadyCheckPause));
    return actions;
  }

  Actions actions;
  if (phase_ == Phase::Ready) {
    phase_ = Phase::NotReady;
    check_pause_ = kFirstCheckPause;
    actions = tell(Standing::Starting, problem);
    actions.push_back(say("not ready any more: " + problem));
  } else if (problem != last_problem_) {
    check_pause_ = kFirstCheckPause;  // something moves
    actions = tell(Standing::Starting, problem);
    actions.push_back(say("waiting: " + problem));
  }
  last_problem_ = problem;
  actions.push_back(start_timer(Timer::Check, check_pause_));
  check_pause_ = std::min(check_pause_ * 5 / 4, kLongestCheckPause);
  return actions;
}

Actions Lifecycle::on_timer(Timer timer) {
  Actions actions;
  switch (timer) {
    case Timer::Check:
      if (phase_ == Phase::Starting || phase_ == Phase::NotReady) actions.push_back(check_envoy(true));
      if (phase_ == Phase::Ready) actions.push_back(check_envoy(false));
      break;
    case Timer::LeaveConfirm:
      if (phase_ == Phase::Leaving) {
        actions.push_back(say("the control plane has not confirmed that this endpoint is withdrawn; draining anyway"));
        begin_drain(actions, false);
      }
      if (phase_ == Phase::Failing) {
        phase_ = Phase::Done;
        actions.push_back(exit_with(failure_.as_exit_code()));
      }
      break;
    case Timer::Settle:
      if (phase_ == Phase::Draining) {
        settled_ = true;
        actions.push_back({.kind = Action::Kind::CountConnections});
      }
      break;
    case Timer::Count:
      if (phase_ == Phase::Draining && settled_) actions.push_back({.kind = Action::Kind::CountConnections});
      break;
    case Timer::DrainEnd:
      if (phase_ == Phase::Leaving || phase_ == Phase::Draining) {
        actions.push_back(say("the drain time is over; stopping with what still runs"));
        begin_stop(actions);
      }
      break;
    case Timer::KillEnvoy:
      if (phase_ == Phase::Stopping) {
        actions.push_back(say("Envoy did not stop on SIGTERM; killing it"));
        actions.push_back(signal_envoy(SIGKILL));
      }
      break;
  }
  return actions;
}

Actions Lifecycle::on_report_support(bool can_confirm) {
  can_confirm_ = can_confirm;
  Actions actions;
  if (!can_confirm && phase_ == Phase::Leaving) begin_drain(actions, false);
  return actions;
}

Actions Lifecycle::on_report_connected(bool connected) {
  connected_ = connected;
  return {};
}

Actions Lifecycle::on_withdrawn() {
  Actions actions;
  if (phase_ == Phase::Leaving) {
    actions.push_back(say("withdrawn: nobody in the mesh sends here any more"));
    begin_drain(actions, true);
  } else if (phase_ == Phase::Withdrawing && !settled_) {
    settled_ = true;
    actions.push_back(say("withdrawn: nobody in the mesh sends here any more; staying until the application is gone"));
  } else if (phase_ == Phase::Draining && !settled_) {
    settled_ = true;
    actions.push_back(stop_timer(Timer::Settle));
    actions.push_back({.kind = Action::Kind::CountConnections});
  } else if (phase_ == Phase::Failing) {
    return on_timer(Timer::LeaveConfirm);
  }
  return actions;
}

void Lifecycle::begin_drain(Actions& actions, bool others_know) {
  phase_ = Phase::Draining;
  actions.push_back(stop_timer(Timer::LeaveConfirm));
  if (!drained_before_) {
    actions.push_back({.kind = Action::Kind::FailHealthChecks});
    actions.push_back({.kind = Action::Kind::DrainListeners});
  }
  settled_ = others_know;
  last_problem_.clear();
  if (others_know) {
    actions.push_back({.kind = Action::Kind::CountConnections});
  } else {
    actions.push_back(start_timer(Timer::Settle, std::min<Duration>(kLongestSettle, budget_ / 2)));
  }
}

Actions Lifecycle::on_connections(long active) {
  if (phase_ != Phase::Draining || !settled_) return {};
  // Twice nothing: one look can fall between a connection's arrival and its first request.
  const std::string seen = std::to_string(active);
  const bool quiet = active == 0 && last_problem_ == "0";
  Actions actions;
  if (quiet) {
    actions.push_back(say("drained: no request is running"));
    begin_stop(actions);
    return actions;
  }
  if (active > 0 && last_problem_ != seen) actions.push_back(say("draining: " + seen + " still active"));
  last_problem_ = seen;
  actions.push_back(start_timer(Timer::Count, kCountPause));
  return actions;
}

void Lifecycle::begin_stop(Actions& actions) {
  phase_ = Phase::Stopping;
  for (const Timer timer : {Timer::Settle, Timer::Count, Timer::LeaveConfirm, Timer::DrainEnd}) {
    actions.push_back(stop_timer(timer));
  }
  actions.push_back(signal_envoy(SIGTERM));
  actions.push_back(start_timer(Timer::KillEnvoy, kill_reserve() / 2));
}

Actions Lifecycle::on_envoy_ended(ProcessEnd end) {
  envoy_runs_ = false;
  Actions actions;
  if (phase_ == Phase::Stopping) {
    phase_ = Phase::Done;
    actions.push_back(stop_timer(Timer::KillEnvoy));
    actions.push_back(say("Envoy stopped"));
    actions.push_back(exit_with(0));
    return actions;
  }
  if (phase_ == Phase::Done || phase_ == Phase::Failing) return actions;

  failure_ = end;
  phase_ = Phase::Failing;
  actions = tell(Standing::Leaving, "Envoy ended: " + end.to_string());
  for (const Timer timer : {Timer::Check, Timer::Settle, Timer::Count, Timer::DrainEnd}) {
    actions.push_back(stop_timer(timer));
  }
  actions.push_back(say("Envoy ended by itself: " + end.to_string()));
  if (connected_ && can_confirm_) {
    actions.push_back(start_timer(Timer::LeaveConfirm, kFailureReport));
  } else {
    phase_ = Phase::Done;
    actions.push_back(exit_with(end.as_exit_code()));
  }
  return actions;
}

Actions Lifecycle::on_stop_signal(int number) {
  Actions actions;
  const std::string name = strsignal(number);
  if (phase_ == Phase::Failing || phase_ == Phase::Done) return actions;
  if (phase_ == Phase::Leaving || phase_ == Phase::Draining) {
    actions.push_back(say("asked to stop again (" + name + "): stopping now"));
    begin_stop(actions);
    return actions;
  }
  if (phase_ == Phase::Stopping) {
    actions.push_back(signal_envoy(SIGKILL));
    return actions;
  }
  if (!envoy_runs_) {
    phase_ = Phase::Done;
    actions.push_back(say("asked to stop (" + name + ") before Envoy was started"));
    actions.push_back(exit_with(0));
    return actions;
  }

  if (phase_ != Phase::Withdrawing) actions = tell(Standing::Leaving, "the task stops");
  actions.push_back(stop_timer(Timer::Check));
  actions.push_back(start_timer(Timer::DrainEnd, budget_ - kill_reserve()));
  if (drained_before_) {
    begin_stop(actions);
    return actions;
  }
  if (phase_ == Phase::Withdrawing && settled_) {
    actions.push_back(say("asked to stop (" + name + "): the mesh was left before"));
    begin_drain(actions, true);
    return actions;
  }
  actions.push_back(say("asked to stop (" + name + "): leaving the mesh first"));
  phase_ = Phase::Leaving;
  if (!can_confirm_) {
    begin_drain(actions, false);
  } else {
    // Also while the stream is down: it may come back in time.
    actions.push_back(start_timer(Timer::LeaveConfirm, std::min<Duration>(kLongestConfirm, budget_ / 4)));
  }
  return actions;
}

Actions Lifecycle::on_drain_signal() {
  if (drained_before_ || !envoy_runs_ ||
      (phase_ != Phase::Starting && phase_ != Phase::Ready && phase_ != Phase::NotReady)) {
    return {};
  }
  drained_before_ = true;
  Actions actions = tell(Standing::Leaving, "asked to drain");
  actions.push_back(say("asked to drain; staying until told to stop"));
  actions.push_back(stop_timer(Timer::Check));
  actions.push_back({.kind = Action::Kind::FailHealthChecks});
  actions.push_back({.kind = Action::Kind::DrainListeners});
  phase_ = Phase::NotReady;
  return actions;
}

Actions Lifecycle::on_stop_announced() {
  if (!envoy_runs_ || drained_before_ ||
      (phase_ != Phase::Starting && phase_ != Phase::Ready && phase_ != Phase::NotReady))
    return {};
  Actions actions = tell(Standing::Leaving, "the task is to stop");
  actions.push_back(stop_timer(Timer::Check));
  actions.push_back(say("the task is to stop: leaving the mesh while the application still serves"));
  phase_ = Phase::Withdrawing;
  return actions;
}

}  // namespace mesh::sidecar
