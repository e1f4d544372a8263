// What Dataplanes say of services: which MeshServices there should be, with which ports; which Dataplanes each
// MeshService has and how many of them are connected, healthy, and hold a certificate. It is told of one resource at a
// time and says which services that touched.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/resource.h"
#include "model/service.h"

namespace mesh {

// A name in a mesh: of a MeshService, or a value of kuma.io/service.
struct ServiceName {
  std::string mesh, name;
  friend auto operator<=>(const ServiceName&, const ServiceName&) = default;
};

class ServiceBook {
 public:
  void on_dataplane(const Resource& dataplane);
  void on_dataplane_gone(const ResourceKey& dataplane);
  void on_insight(const Resource& insight);
  void on_insight_gone(const ResourceKey& insight);
  void on_service(const Resource& service);  // MeshService
  void on_service_gone(const ResourceKey& service);

  // What a MeshService of this name should be, from the Dataplanes with this value of kuma.io/service.
  struct Wanted {
    MeshService spec;
    // Dataplanes whose ports differ from the others': their ports are not in the service.
    std::vector<std::string> in_conflict;
  };
  // `now`: the ports that the service has. They stay as long as one Dataplane has them; else the oldest one says.
  // Nullopt: no Dataplane has it, or it is no name for a MeshService.
  std::optional<Wanted> wanted(const ServiceName& service, const std::vector<ServicePort>* now) const;
  // Some Dataplane of the mesh offers it (and not only inbounds that are to be ignored).
  bool is_offered(const ServiceName& service) const;

  struct Totals {
    int total = 0, connected = 0, healthy = 0, certified = 0;
    std::map<std::string, int> service_tags;  // of its Dataplanes, with how many have each
  };
  const Totals& totals_of(const ServiceName& service) const;

  // Since the last call: values of kuma.io/service whose Dataplanes changed, and MeshServices whose totals did.
  std::set<ServiceName> take_touched_tags() { return std::exchange(touched_tags_, {}); }
  std::set<ServiceName> take_touched_totals() { return std::exchange(touched_totals_, {}); }
  std::set<ServiceName> tags_of_mesh(const std::string& mesh) const;

 private:
  // Of one Dataplane to one service.
  struct Share {
    bool connected = false, healthy = false, certified = false;
    std::vector<std::string> service_tags;
    friend bool operator==(const Share&, const Share&) = default;
  };
  struct Proxy {
    Resource resource;
    std::map<std::string, std::vector<ServicePort>> ports;  // by kuma.io/service
    std::vector<std::string> service_tags;
    std::set<std::string> offered;
    std::set<std::string> services;  // MeshServices that select it
  };
  struct Report {  // of its insight
    bool connected = false, certified = false;
    friend bool operator==(const Report&, const Report&) = default;
  };
  struct Service {
    ServiceSelector selector;
    std::vector<ServicePort> ports;
    std::map<std::string, Share> shares;  // by Dataplane
    Totals totals;
  };
  using Members = std::set<std::pair<SystemTime, std::string>>;  // Dataplanes, the oldest first
  struct Group {                                                 // those of one kuma.io/service
    struct Variant {
      std::vector<ServicePort> ports;
      Members members;
    };
    std::map<std::string, Variant> variants;  // by what the ports print as
    int offers = 0;
  };
  struct MeshIndex {
    std::map<std::string, std::shared_ptr<Proxy>> proxies;
    std::map<std::string, Report> reports;
    std::map<std::string, Service> services;
    std::map<std::string, Group> groups;
    // Services by what their selector can be looked up by.
    std::map<std::string, std::set<std::string>> by_tag, by_ref;
    std::set<std::string> by_scan;
  };

  void join(MeshIndex& mesh, const std::string& mesh_name, Proxy& proxy);
  void leave(MeshIndex& mesh, const std::string& mesh_name, Proxy& proxy);
  void weigh(MeshIndex& mesh, const std::string& mesh_name, const std::string& service, Proxy& proxy);
  void drop_share(const std::string& mesh_name, const std::string& service_name, Service& service,
                  const std::string& dataplane);
  std::set<std::string> candidates(const MeshIndex& mesh, const Proxy& proxy) const;
  std::set<std::string>& place_of(MeshIndex& mesh, const ServiceSelector& selector);
  Share share_of(const MeshIndex& mesh, const Service& service, const Proxy& proxy) const;

  std::map<std::string, MeshIndex> meshes_;
  std::set<ServiceName> touched_tags_, touched_totals_;
};

}  // namespace mesh
