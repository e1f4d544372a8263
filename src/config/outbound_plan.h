// Where a proxy is to listen for its application, and where each of that leads: what its Dataplane enumerates, and for
// a proxy that binds its outbounds every virtual address that it may reach. Private to this room.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "config/build.h"

namespace mesh::build {

struct PlannedOutbound {
  std::string address;
  std::uint32_t port = 0;
  Destination destination;
  SharedTags tags;  // of the listener
};

class OutboundPlan {
 public:
  // All of these must outlive it.
  OutboundPlan(const MeshSnapshot& snapshot, const Resource& dataplane, const ProxyTraits& traits,
               const OutboundSettings& settings);

  // Everything. What cannot be is left out and named in `warnings`.
  std::vector<PlannedOutbound> build(std::vector<std::string>& warnings) const;
  // The part of it that has to do with these keys.
  std::vector<PlannedOutbound> build_for(const std::set<std::string>& keys, std::vector<std::string>& warnings) const;
  // The part that gets endpoints from one of these views.
  std::vector<PlannedOutbound> build_using(const std::set<std::string>& views) const;

  // Names that something may have had that was different before.
  void add_former_names(const std::string& key, const OutboundBefore& before, std::set<std::string>& listeners,
                        std::set<std::string>& clusters) const;

  bool binds() const { return binds_; }

 private:
  struct BackendRef {
    std::string kind, name;
    std::map<std::string, std::string> labels;
    std::uint32_t port = 0;  // 0: all

    bool means(const BackendView& backend, std::uint32_t which) const;
  };
  using Place = std::pair<std::string, std::uint32_t>;

  void read_reachable();
  bool may_reach_service(const std::string& service) const;
  bool may_call(const Tags& called) const;
  bool may_call_backend(const BackendView& backend) const;
  bool may_reach(const BackendView& backend, const BackendPort& port) const;
  void add_enumerated(const std::set<std::string>* keys, std::vector<std::string>& warnings,
                      std::vector<PlannedOutbound>& out) const;
  void add_service(const std::string& service, std::vector<std::string>& warnings,
                   std::vector<PlannedOutbound>& out) const;
  void add_backend(const std::shared_ptr<const BackendView>& backend, std::vector<std::string>& warnings,
                   std::vector<PlannedOutbound>& out) const;
  void add_bound(PlannedOutbound outbound, std::vector<std::string>& warnings, std::vector<PlannedOutbound>& out) const;

  const MeshSnapshot& snapshot_;
  const Dataplane& spec_;
  const OutboundSettings& settings_;
  bool binds_ = false;
  MeshServicesMode mode_ = MeshServicesMode::Disabled;
  std::vector<Tags> callers_;  // as whom the proxy calls; only where that is asked
  std::set<std::string> reachable_services_;
  bool has_reachable_backends_ = false;
  std::vector<BackendRef> reachable_backends_;
  std::set<Place> inbounds_;
  std::set<Place> occupied_;                   // also by what is enumerated
  std::set<std::uint32_t> application_ports_;  // that the application may have taken on every address
};

// Of the outbounds, which must outlive them, without repetition, in the order of their clusters' names.
Destinations destinations_of(const std::vector<PlannedOutbound>& outbounds);

}  // namespace mesh::build
