// All sidecars of a run, what they were sent together, and what the run waits for. Its loop has one thread, and
// everything that belongs to sidecars happens there; the run's own thread asks by on_loop() and waits by wait_until().
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "load/settings.h"
#include "load/sidecar.h"
#include "wire/event_loop.h"

namespace mesh::load {

struct Counters {
  std::uint64_t pushes = 0, bytes = 0, resources = 0;
  std::uint64_t useless_pushes = 0, useless_resources = 0;
  std::uint64_t streams_opened = 0, streams_lost = 0, bootstraps_failed = 0, refusals = 0;

  Counters operator-(const Counters& before) const;
};

// The content that tells that a change has arrived.
struct Watch {
  XdsType type = XdsType::Cluster;
  std::string resource;  // empty: any
  std::string needle;
  bool is_wanted = true;  // false: it has arrived when the needle is gone
};

class Fleet {
 public:
  explicit Fleet(const LoadSettings& settings);
  ~Fleet();

  const LoadSettings& settings;

  // --- from the run's thread
  void on_loop(const std::function<void()>& task);  // waits for it
  // Looks every few milliseconds. False: the limit has passed.
  bool wait_until(const std::function<bool()>& reached_on_loop, Duration limit,
                  const std::function<void()>& on_look = {});
  void pause(Duration duration);

  // --- on the loop
  std::shared_ptr<Sidecar> add(Instance instance, std::string token);
  void remove(const std::shared_ptr<Sidecar>& sidecar);  // forgotten once it is gone
  const std::vector<std::shared_ptr<Sidecar>>& sidecars() const { return sidecars_; }
  Instance make_instance(int service);  // with a new name and address
  int live_instances(int service) const;
  bool has_all_endpoints(const Sidecar& sidecar) const;

  void watch(Watch what, const std::vector<std::shared_ptr<Sidecar>>& expected);
  std::size_t missing() const { return missing_; }
  // Of the watch, in milliseconds since then; what came before counts as at once. Ends the watch.
  std::vector<double> take_latencies(SteadyTime since);
  bool is_watched(const Sidecar& sidecar, const HeardResponse& response) const;
  void on_met(Sidecar& sidecar);

  wire::EventLoop& loop() { return loop_; }
  SteadyTime now() const;
  std::minstd_rand& random() { return random_; }
  Counters counters;
  std::string last_problem;  // why a stream or bootstrap failed last

 private:
  wire::EventLoop loop_;
  std::vector<std::shared_ptr<Sidecar>> sidecars_;
  std::minstd_rand random_{7};  // the same run twice
  int next_instance_ = 0;

  std::optional<Watch> watch_;
  std::size_t missing_ = 0;
  std::vector<SteadyTime> met_;
};

}  // namespace mesh::load
