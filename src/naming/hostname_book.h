// Which hostnames services get from the generators, and who gets a name that two of them want. It is told of generators
// and services one by one, and says whose names changed by that: work in proportion to the change.
//
// A name belongs, within one mesh and one kind of service, to whom the first generator gives it: those made in this
// zone come before those from the global control plane, then the older one, then by name; and of several services of
// one generator the oldest, then by name.
#pragma once

#include <compare>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/hostname_generator.h"
#include "model/hostname_template.h"
#include "model/resource.h"

namespace mesh {

class HostnameBook {
 public:
  explicit HostnameBook(std::string zone) : zone_(std::move(zone)) {}

  void on_generator(const Resource& generator);
  void on_generator_gone(const std::string& name);
  void on_service(const Resource& service);  // of any of the three kinds
  void on_service_gone(const ResourceKey& service);

  struct Outcome {
    std::vector<ServiceHostname> addresses;
    std::vector<GeneratorStatus> generators;  // with the condition Generated
  };
  Outcome outcome_of(const ResourceKey& service) const;
  // Services whose outcome may have changed since the last call.
  std::set<ResourceKey> take_touched() { return std::exchange(touched_, {}); }

 private:
  struct Generator {
    bool is_local = true;
    SystemTime created{};
    GeneratorSelector selector;
    Result<HostnameTemplate> parsed = error(ErrorKind::Internal, "");
  };
  struct Rendered {
    std::string hostname;  // empty: see problem
    std::string problem;
    friend bool operator==(const Rendered&, const Rendered&) = default;
  };
  struct Service {
    Labels labels;
    SystemTime created{};
    std::map<std::string, Rendered> rendered;  // by generator; only those that select it
  };
  // A wish for a name, in the order in which they are granted.
  struct Claim {
    int rank = 0;
    SystemTime generator_created{};
    std::string generator;
    SystemTime service_created{};
    std::string service;
    friend auto operator<=>(const Claim&, const Claim&) = default;
  };
  struct Name {
    const Kind* kind = nullptr;
    std::string mesh, hostname;
    friend auto operator<=>(const Name&, const Name&) = default;
  };

  std::optional<Rendered> render(const Generator& generator, const ResourceKey& key, const Service& service) const;
  void set(const ResourceKey& key, Service& service, const std::string& generator, std::optional<Rendered> rendered);
  Claim claim_of(const ResourceKey& key, const Service& service, const std::string& generator) const;
  void change_claim(const ResourceKey& key, const std::string& hostname, const Claim& claim, bool add);

  const std::string zone_;
  std::map<std::string, Generator> generators_;
  std::map<ResourceKey, Service> services_;
  std::map<Name, std::set<Claim>> claims_;
  std::set<ResourceKey> touched_;
};

}  // namespace mesh
