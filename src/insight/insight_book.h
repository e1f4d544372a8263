// What proxies did and said, folded into one DataplaneInsight per proxy. Events in, rows out: no threads, no store.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "model/insight.h"
#include "model/resource.h"

namespace mesh {

enum class DiscoveryKind { Cluster, Endpoint, Listener, Route, Secret };

// A discovery stream that was opened.
struct Connection {
  ProxyId proxy;
  std::string metadata_json;  // of the Envoy node
  std::string envoy_version, envoy_build;
};

struct InsightSettings {
  std::string instance_id;            // of this control plane
  std::size_t max_subscriptions = 2;  // kept per proxy: the newest
};

// How soon a change should be seen by others. At once: after a kill of this control plane the next one must know it, or
// it would take an endpoint from everybody, or give one out that has gone.
enum class Urgency { None, Later, Soon, AtOnce };

class InsightBook {
 public:
  using Row = std::shared_ptr<const DataplaneInsight>;
  using Rows = std::map<ProxyId, Row>;

  explicit InsightBook(InsightSettings settings) : settings_(std::move(settings)) {}

  // What the store has from before. Subscriptions that are open in it are those of an earlier control plane.
  void load(const ProxyId& proxy, Row row);

  void on_connected(std::uint64_t stream, const Connection& connection, SystemTime now);
  void on_sent(std::uint64_t stream, DiscoveryKind kind, SystemTime now);
  void on_acknowledged(std::uint64_t stream, DiscoveryKind kind, SystemTime now);
  void on_refused(std::uint64_t stream, DiscoveryKind kind, const std::string& reason, SystemTime now);
  void on_disconnected(std::uint64_t stream, SystemTime now);
  void on_certificate(const ProxyId& proxy, SystemTime issued, SystemTime expires, const std::string& backend,
                      const std::vector<std::string>& supported_backends);
  void on_live(const ProxyId& proxy, bool live);
  // Of a manager that is connected to us; none: it is not any more.
  void on_manager(const ProxyId& proxy, std::optional<ManagerWord> word);
  // Another control plane may have written this. What we know of our own connections stands, and is written again where
  // it was lost.
  void on_stored(const ProxyId& proxy, const Row& stored);
  // Subscriptions of control planes that are no more, whose proxies have not come back.
  void close_leftovers(SystemTime now, const std::set<std::string>& other_instances = {});
  void forget(const ProxyId& proxy);

  // Of the most urgent row that waits.
  Urgency urgency() const;
  bool waits(Urgency urgency) const { return !changed_[static_cast<std::size_t>(urgency)].empty(); }
  // These could not be written: they count as changed again.
  void put_back(const Rows& rows);
  // Rows that changed since they were last taken; only those that are as urgent as that. What is not urgent does not
  // ride along with what is: of a thousand proxies that are busy, one that comes concerns one row.
  Rows take_changed(Urgency at_least = Urgency::Later);
  const DataplaneInsight* find(const ProxyId& proxy) const;

 private:
  // A row of the book. The store has the very same one from when it was taken until it changes, which is when it is
  // copied: most of the time a proxy does nothing.
  struct Kept {
    Row row;
    DataplaneInsight* own = nullptr;  // the row, as long as nobody else has it
    std::optional<bool> said_live;    // our own judgement, which counts whenever the newest connection is ours
    Urgency changed = Urgency::None;  // since it was last taken
  };
  using Entry = std::map<ProxyId, Kept>::value_type;
  struct Stream {
    Entry* entry = nullptr;  // stays as long as one of its proxy's streams is open
    std::string subscription;
  };
  static DataplaneInsight& edit(Kept& kept);

  bool is_connected(const ProxyId& proxy, const std::string& subscription) const;
  static Subscription* find_subscription(const Stream& stream);
  template <class Count>
  void count(std::uint64_t stream, DiscoveryKind kind, SystemTime now, Count count);
  bool is_of_another(const DataplaneInsight& row) const;
  void cut(DataplaneInsight& row) const;
  std::optional<ManagerWord> manager_for(const ProxyId& proxy, const DataplaneInsight& row) const;
  std::set<ProxyId>& changed(Urgency urgency) { return changed_[static_cast<std::size_t>(urgency)]; }
  void touch(Entry& entry, Urgency urgency);

  InsightSettings settings_;
  std::map<ProxyId, Kept> rows_;
  std::unordered_map<std::uint64_t, Stream> streams_;
  std::map<ProxyId, std::set<std::string>> open_;  // subscriptions of streams_
  std::map<ProxyId, ManagerWord> managers_;        // those that are connected to us
  std::array<std::set<ProxyId>, 4> changed_;       // by urgency
};

}  // namespace mesh
