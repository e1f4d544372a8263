// What has to be written so that every service has its name and its address: MeshServices made from Dataplanes, virtual
// addresses, hostnames, and what a status says. It is told of every change in the store and says, when asked, which
// resources to write; a pure function of what it was told and of the time it is given. For the leader: a new one begins
// with a new planner, and tells it everything there is.
//
// A resource that was planned is not planned again before the store has said what became of it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/mesh.h"
#include "model/resource.h"
#include "model/service.h"
#include "naming/address_ledger.h"
#include "naming/hostname_book.h"
#include "naming/service_book.h"

namespace mesh {

struct NamingSettings {
  std::string zone = "default";
  NamingRanges ranges;
  bool service_vips = true;                         // addresses for values of kuma.io/service
  Duration quarantine = std::chrono::hours(24);     // how long an address is kept back
  Duration deletion_grace = std::chrono::hours(1);  // of a MeshService that lost its last Dataplane
  Duration settle = std::chrono::seconds(1);        // between two writes of one service for its counts alone
};

class NamePlanner {
 public:
  explicit NamePlanner(NamingSettings settings);

  // Of any kind; what does not concern names is ignored.
  void on_put(const Resource& resource);
  void on_delete(const ResourceKey& key);

  struct Write {
    Resource resource;
    Revision stored = 0;  // the version that it replaces; 0: there is none
    bool remove = false;
  };
  struct Plan {
    std::vector<Write> writes;       // address blocks first
    std::optional<SystemTime> next;  // when to ask again, though nothing changed
  };
  Plan plan(SystemTime now);
  // It is not in the store: it will be planned again.
  void on_write_failed(const Write& write);

  // How many services and Dataplanes `plan` looked at so far.
  std::size_t work_done() const { return work_done_; }
  const AddressLedger& ledger() const { return ledger_; }

 private:
  struct MeshFacts {
    MeshServicesMode mode = MeshServicesMode::Disabled;
    bool has_tls = false;
    friend bool operator==(const MeshFacts&, const MeshFacts&) = default;
  };
  struct Service {
    Resource stored;  // without a spec: it is not there yet
    bool waits = false;
    SystemTime counted{};  // when its counts were written last
    bool conflict_told = false;
  };

  void on_mesh(const Resource& resource);
  void on_service(const Resource& resource);
  void release_leftovers(SystemTime now);
  void gather(SystemTime now);
  void plan_tag(const ServiceName& tag, SystemTime now);
  bool plan_service(const ResourceKey& key, SystemTime now, std::vector<Write>& writes);
  bool generate(const ResourceKey& key, Service& service, Resource& draft, SystemTime now, std::vector<Write>& writes);
  void complete(Resource& draft);
  Condition port_conflict(const ResourceKey& key);
  std::vector<MatchedMeshService> members_of(const ResourceKey& key, const MeshMultiZoneService& spec) const;
  std::string address_for(const Resource& draft, std::vector<Condition>& conditions);
  void touch_multi_zone(const std::string& mesh, const Labels& labels);
  std::optional<SystemTime> next_time() const;

  const NamingSettings settings_;
  AddressLedger ledger_;
  HostnameBook hostnames_;
  ServiceBook book_;
  bool is_first_plan_ = true;
  bool full_told_ = false;
  std::size_t work_done_ = 0;

  std::map<std::string, MeshFacts> meshes_;
  std::map<ResourceKey, Service> services_;
  std::map<std::string, std::set<std::string>> offered_in_;  // value of kuma.io/service → meshes that need its address
  std::map<ServiceName, std::vector<std::string>> in_conflict_;
  std::map<ResourceKey, SystemTime> grace_;  // when a MeshService without Dataplanes goes

  std::set<ServiceName> tags_;               // values of kuma.io/service to look at
  std::set<ResourceKey> dirty_;              // services to look at
  std::map<ResourceKey, SystemTime> later_;  // the same, not before
  std::set<std::string> gone_;               // owners
  std::set<ServiceName> tags_without_address_;
  std::set<ResourceKey> without_address_;
};

}  // namespace mesh
