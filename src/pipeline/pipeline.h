// What carries a committed write to the proxies that it concerns, and nothing else: threads and queues between the
// store's feed, the picture, the builders and the discovery streams.
//
//   feed thread ──batch──► writer thread ──publish──► snapshot() ──► builder pool ──offer──► stream
//
// With start() it runs on threads of its own. Tests call step() instead: everything happens on their thread, by their
// clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "ads/ads.h"
#include "base/clock.h"
#include "base/published.h"
#include "base/result.h"
#include "config/proxy_config.h"
#include "controllers/dataplane_cleanup.h"
#include "dpserver/liveness.h"
#include "insight/insight_writer.h"
#include "model/secret_source.h"
#include "pipeline/builders.h"
#include "pipeline/work.h"
#include "pipeline/writer.h"
#include "store/store.h"

namespace mesh {

struct PipelineSettings {
  WriterSettings writer;
  int builder_threads = 2;
};

// What it needs of the house. All outlive it.
struct PipelineNeeds {
  Store& store;
  const SecretSource& secrets;
  BuildsConfig builder;
  Selects selects;
  InsightWriter& insights;
  DataplaneCleanup& cleanup;
  const Clock& clock;
};

// Where its work goes: the sidecars' port, which comes to be after it.
struct PipelineOutputs {
  SendOffer offer;
  std::function<void(const ProxyId&)> dataplane_changed;
};

struct PipelineCounters {
  BuilderCounters builds;
  std::uint64_t certificates = 0;  // made
  std::uint64_t pushes = 0;        // responses sent to proxies
  std::uint64_t refusals = 0;
  std::uint64_t turns = 0;      // of the writer
  std::uint64_t connected = 0;  // proxies, now
};

class Pipeline {
 public:
  Pipeline(PipelineSettings settings, PipelineNeeds needs);
  ~Pipeline();

  // Where streams and reporters tell what happens. Thread-safe.
  AdsSink& ads_sink();
  LivenessSink& liveness_sink();
  void connect(PipelineOutputs outputs);  // once, before load()

  // Reads what is in the store, and who was live when the control plane last stopped. Before any proxy is let in.
  Status load();
  void start();
  void stop();
  // Which control planes share the store and are alive. Thread-safe; also before load().
  void on_others(std::set<std::string> alive);

  // Calls `done`, on the writer thread (hand it over and return), once every proxy of the mesh that is connected here
  // and binds its outbounds holds the listeners of a picture that has everything up to this revision; after `limit` in
  // any case. Thread-safe.
  void when_listeners_are_out(const std::string& mesh, Revision upto, Duration limit,
                              std::move_only_function<void()> done);

  // Without threads: does all that there is to do now. Returns when the next thing is due.
  std::optional<SteadyTime> step();

  std::shared_ptr<const Snapshot> snapshot() const;
  std::shared_ptr<Proxy> find(const ProxyId& proxy) const;  // null: it was never connected. Thread-safe
  PipelineCounters counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mesh
