// Gives every service its name and its address: the leader's thread round naming/name_planner.h. While this instance
// leads it follows the store's change feed from the start, and writes what the planner says. It writes past admission:
// hundreds of statuses in one transaction, each only if its resource is still as the planner saw it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mailbox.h"
#include "naming/name_planner.h"
#include "store/store.h"

namespace mesh {

// For the metrics.
struct NamingFigures {
  struct Range {
    const char* name = "";  // "meshService"
    std::uint64_t size = 0, held = 0, kept_back = 0;
  };
  std::vector<Range> ranges;  // empty while another instance leads
  std::uint64_t writes = 0, failures = 0;
};

class ServiceNames {
 public:
  // `store`: the leader's, which refuses writes of an instance that leads no more. `leads`: whether it is our turn.
  ServiceNames(NamingSettings settings, Store& store, const Clock& clock, std::function<bool()> leads);
  ~ServiceNames();

  void start();
  void stop();                    // and waits; once
  void on_leader_changed();       // thread-safe
  NamingFigures figures() const;  // thread-safe

 private:
  struct Event {
    int term = 0;
    std::optional<ChangeBatch> batch = {};  // none: somebody else leads, or we do
  };

  void run(std::stop_token stop);
  void follow(int term, std::stop_token stop);
  void begin_term();
  void end_term();
  void fold(ChangeBatch batch);
  std::optional<SteadyTime> plan();
  bool write(std::vector<NamePlanner::Write> writes);
  bool write_one_by_one(std::vector<NamePlanner::Write> writes);
  void publish_figures();

  const NamingSettings settings_;
  Store& store_;
  const Clock& clock_;
  const std::function<bool()> leads_;
  int term_ = 0;
  std::unique_ptr<NamePlanner> planner_;  // while we lead, and know what there is
  bool is_term_ = false;
  Mailbox<Event> events_;
  std::jthread feed_, thread_;
  mutable std::mutex figures_mutex_;
  NamingFigures figures_;
};

}  // namespace mesh
