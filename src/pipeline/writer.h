// The one thread that knows where everything stands: it folds what changed into the picture, judges who is alive, and
// schedules the work that follows. Events pile up between turns; a turn takes them all at once.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ads/ads.h"
#include "base/published.h"
#include "model/insight.h"
#include "pipeline/barriers.h"
#include "pipeline/builders.h"
#include "pipeline/certificates.h"
#include "pipeline/liveness.h"
#include "pipeline/managers.h"
#include "snapshot/fold.h"
#include "store/store.h"

namespace mesh {

struct WriterSettings {
  std::string instance_id;  // of this control plane
  LivenessSettings liveness;
  Duration goodbye_limit = std::chrono::seconds(2);    // for the callers of a proxy that leaves to take it in
  Duration rotation_limit = std::chrono::seconds(60);  // for the proxies of a mesh, per step of a change of CA
};

// Somebody waits until the proxies of a mesh that bind their outbounds listen for what a write brought.
struct ListenerWait {
  std::string mesh;
  Revision upto = 0;
  Duration limit{};
  std::move_only_function<void()> done;
};

// Whose is the newest connection of a proxy, as it is stored?
enum class Whose { Ours, AnothersThatIsAlive, Nobodys };

// What the writer tells the rest. Called on its thread.
struct WriterOutputs {
  std::function<void(const ProxyId&, bool live)> live;  // for the proxy's insight
  std::function<void(const ProxyId&, const ProxyCertificate&)> certificate;
  std::function<void(const ProxyId&)> dataplane_changed;               // of one that is, or may be, connected
  std::function<void(const ProxyId&, bool registered_itself)> online;  // its first stream
  std::function<void(const ProxyId&)> offline;                         // after its last stream
  std::function<void(const ProxyId&)> leaving;
  // What is stored of a proxy that other control planes have to do with.
  std::function<void(const ProxyId&, std::shared_ptr<const DataplaneInsight>, Whose)> stored;
  std::function<void(const std::set<std::string>& alive)> others;  // control planes
  Managers::Tell manager;
  std::function<void(const ProxyId&)> removed;  // its Dataplane is no more
};

class Writer {
 public:
  Writer(WriterSettings settings, const Clock& clock, Certificates& certificates, Builders& builders,
         Published<Snapshot>& snapshot, Selects selects, WriterOutputs outputs);

  void on_changes(const ChangeBatch& batch);
  void on_connected(const ProxyId& proxy, StreamId stream, ProxyTraits traits, bool registered_itself);
  void on_disconnected(StreamId stream);
  void on_holds(StreamId stream, XdsType type, std::uint64_t number);
  void on_reporter_connected(const ProxyId& proxy, std::uint64_t session, LivenessSource source);
  void on_reporter_disconnected(const ProxyId& proxy, std::uint64_t session, LivenessSource source);
  void on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report);
  void on_leaving(const ProxyId& proxy, std::move_only_function<void()> withdrawn);
  void on_built(const BuildReport& report);
  void on_waiting(ListenerWait wait);
  void on_others(std::set<std::string> alive);     // control planes that share the store
  void restore(const std::vector<ProxyId>& live);  // those that were live when this control plane last stopped

  // Returns when the next one is due if nothing happens before.
  std::optional<SteadyTime> turn();

  // Thread-safe. Null: it was never connected.
  std::shared_ptr<Proxy> find(const ProxyId& proxy) const;
  std::size_t connected_count() const { return connected_count_; }  // thread-safe

 private:
  struct Known {
    std::shared_ptr<Proxy> proxy;
    Progress progress;
    std::set<StreamId> streams;
    std::string last_problem;
    bool is_acknowledged = false;  // and its liveness knows
  };
  using KnownProxies = std::map<ProxyId, Known>;
  struct Goodbye {
    ProxyId proxy;
    std::set<std::string> services;
    std::move_only_function<void()> withdrawn;
  };

  void follow(const Affected& affected);
  void follow_mesh(const std::string& name, const MeshAffected& affected);
  void follow_zone_proxies(const std::set<ProxyId>& affected);
  void drop_if_unknown(const ProxyId& proxy);
  void schedule(const ProxyId& proxy, const Work& work);
  void give_secrets(const std::string& mesh);
  void begin_goodbyes();
  std::optional<SteadyTime> begin_waits(SteadyTime now);
  std::optional<SteadyTime> renew();
  void check_progress(const ProxyId& proxy, Known& known);
  void note_insight(const ProxyId& proxy, const Resource& row, SteadyTime now);
  void note_services(const ResourceChange& change, SteadyTime now);

  const WriterSettings settings_;
  const Clock& clock_;
  Certificates& certificates_;
  Builders& builders_;
  Published<Snapshot>& snapshot_;
  const Selects selects_;
  const WriterOutputs outputs_;

  Turn turn_ = 0;
  std::shared_ptr<const Snapshot> current_;
  FoldInput input_;
  Liveness liveness_;
  Managers managers_;
  std::set<std::string> others_;
  Barriers barriers_;
  std::vector<Goodbye> goodbyes_;
  std::set<ProxyId> newcomers_;  // connected since the last turn
  std::unordered_map<StreamId, KnownProxies::iterator> streams_;
  std::map<std::string, ConnectedProxies> connected_;  // by mesh
  struct Waiting {
    ListenerWait wait;
    SteadyTime deadline{};
  };
  std::vector<Waiting> waits_;  // for a revision that has not come yet
  std::atomic<std::size_t> connected_count_{0};
  std::set<std::pair<SystemTime, ProxyId>> renewals_;
  std::map<ProxyId, SystemTime> renewal_of_;

  mutable std::mutex known_mutex_;  // this thread changes the table's shape, others look things up
  KnownProxies known_;
};

}  // namespace mesh
