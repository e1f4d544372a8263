// The one door for writes: REST, sidecars that register themselves, zone sync and our own controllers all come through
// here. It fills in defaults and labels, checks everything that may stand in a resource, and writes it together with
// what must come with it (a Mesh with its signing key, its CA and its default policies) in one transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "admission/access.h"
#include "base/clock.h"
#include "base/result.h"
#include "identity/tokens.h"
#include "model/resource.h"
#include "store/store.h"

namespace mesh {

enum class Via { Api, Proxy, ControlPlane };

struct Actor {
  User user;
  Via via = Via::Api;
};

struct AdmissionSettings {
  std::string zone = "default";              // kuma.io/zone of what is made here
  std::size_t max_resource_bytes = 1 << 20;  // of the printed spec: TooLarge beyond
  bool unsafe_delete = false;                // a mesh may go with its dataplanes in it
  AccessSettings access;
  // The policies that a new mesh gets, but for the kinds that it skips. Empty: none.
  std::function<std::vector<Resource>(const std::string& mesh, const std::vector<std::string>& skip)> default_policies;
};

// Thread-safe.
class Admission {
 public:
  Admission(Store& store, const KindRegistry& kinds, AdmissionSettings settings, const Clock& clock);

  struct Outcome {
    Resource resource;  // as it was stored
    bool created = false;
    bool changed = false;  // false: it was the same already, and nothing was written
    std::vector<std::string> warnings;
  };
  // Creates or replaces. Invalid with all violations; NotFound when its mesh is not there; Denied; TooLarge; Conflict
  // when others keep changing it. Through the API a status in the draft is ignored: what is stored stays.
  Result<Outcome> put(Resource draft, const Actor& actor);
  // NotFound; Invalid (a mesh that still has dataplanes, a secret in use, a zone that is connected); Denied.
  Status remove(const ResourceKey& key, const Actor& actor);

 private:
  Result<Outcome> put_once(const Resource& draft, const Actor& actor);
  Status remove_once(const ResourceKey& key);
  Status check_may_write(const Kind& kind, const Actor& actor) const;
  // The resource; nullopt when it is not there.
  Result<std::optional<Resource>> find(const ResourceKey& key) const;

  Store& store_;
  const KindRegistry& kinds_;
  AdmissionSettings settings_;
  const Clock& clock_;
};

}  // namespace mesh
