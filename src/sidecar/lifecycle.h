// Where one proxy stands between its start and its end, and what is to be done next. Events in, actions out: no
// sockets, no processes, no clock; timers are actions that come back as events. Runs on one strand; `Sidecar` carries
// the actions out.
//
//   Starting ──► Ready ──► Leaving ──► Draining ──► Stopping ──► done
//                 ▲ ▼         (SIGTERM: first nobody gets this endpoint any more, then running requests end)
//              NotReady
//
// Envoy's own end leads out of every state.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace mesh::sidecar {

enum class Phase { Starting, Ready, NotReady, Withdrawing, Leaving, Draining, Stopping, Failing, Done };

// What the readiness port and the control plane are told.
enum class Standing { Starting, Ready, Leaving };

enum class Timer {
  Check,         // look at Envoy again
  LeaveConfirm,  // the control plane did not confirm in time
  Settle,        // nobody can confirm: time for others to hear of it
  Count,         // count connections again
  DrainEnd,      // connections had their time
  KillEnvoy,     // Envoy ignores SIGTERM
};

struct Action {
  enum class Kind {
    Tell,        // `standing`, with `text` as the reason: readiness port and report stream
    StartTimer,  // `timer` after `delay`; replaces the same timer
    StopTimer,
    CheckEnvoy,        // ask admin /ready (and probe the inbounds when `number` is 1) → on_check
    FailHealthChecks,  // others that check our health actively must see it
    DrainListeners,    // new requests get "go away" with their answer
    CountConnections,  // → on_connections
    SignalEnvoy,       // `number`
    Exit,              // `number` is the exit code
    Say,               // `text`, for people
  };
  Kind kind = Kind::Say;
  Standing standing = Standing::Starting;
  Timer timer = Timer::Check;
  Duration delay{};
  int number = 0;
  std::string text = {};
};
using Actions = std::vector<Action>;

// How a process ended.
struct ProcessEnd {
  int exit_code = 0;  // when it exited
  int signal = 0;     // when a signal killed it

  int as_exit_code() const { return signal != 0 ? 128 + signal : exit_code; }
  std::string to_string() const;  // "exit code 1", "signal 9 (Killed)"
};

class Lifecycle {
 public:
  explicit Lifecycle(Duration stop_budget);

  Actions on_envoy_started();
  // `problem` says what is missing; empty: everything is as it should be. `answered`: Envoy itself said so. Once ready,
  // an admin interface that is too busy to answer takes nothing back: Envoy serves traffic on other threads.
  Actions on_check(const std::string& problem, bool answered = true);
  Actions on_timer(Timer timer);
  // The control plane's side of the report stream. `can_confirm` is false when it does not know such a thing (a stock
  // one), which is known only after it was asked.
  Actions on_report_support(bool can_confirm);
  Actions on_report_connected(bool connected);
  Actions on_withdrawn();
  // How many connections and requests the inbounds still have; -1: Envoy did not say.
  Actions on_connections(long active);
  Actions on_envoy_ended(ProcessEnd end);
  Actions on_stop_signal(int number);  // SIGTERM, SIGINT; a second one hurries
  Actions on_drain_signal();           // SIGUSR2: drain, but stay
  Actions on_stop_announced();         // the task is to stop: SIGTERM will come when the application is gone

  Phase phase() const { return phase_; }
  Standing standing() const { return standing_; }

 private:
  Actions tell(Standing standing, std::string reason);
  void begin_drain(Actions& actions, bool others_know);
  void begin_stop(Actions& actions);
  Duration kill_reserve() const;

  Duration budget_;
  Phase phase_ = Phase::Starting;
  Standing standing_ = Standing::Starting;
  Duration check_pause_{};
  std::string last_problem_;
  bool envoy_runs_ = false;
  bool can_confirm_ = true;  // until the control plane says that it cannot
  bool connected_ = false;
  bool settled_ = false;  // others know that this endpoint is gone
  bool drained_before_ = false;
  ProcessEnd failure_;
};

}  // namespace mesh::sidecar
