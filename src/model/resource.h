// One resource as it lies in the store and travels through the program: a value whose spec is shared and immutable.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "model/kind.h"

namespace mesh {

using Labels = std::map<std::string, std::string>;

struct ResourceKey {
  const Kind* kind = nullptr;
  std::string mesh;  // empty for kinds of global scope
  std::string name;

  friend bool operator==(const ResourceKey&, const ResourceKey&) = default;
  friend bool operator<(const ResourceKey& a, const ResourceKey& b) {
    if (a.kind != b.kind) return a.kind->name < b.kind->name;
    if (a.mesh != b.mesh) return a.mesh < b.mesh;
    return a.name < b.name;
  }
  std::string to_string() const;  // MeshTimeout "slow" in mesh "prod"
};

struct Resource {
  ResourceKey key;
  Labels labels;
  SystemTime created{};
  SystemTime modified{};
  Revision revision = 0;  // set by the store: the write that made this version
  AnySpec spec;
  AnySpec status;  // kinds with Layout::Spec only; may be empty

  template <class T>
  const T& spec_as() const {
    return *spec.as<T>();
  }
};

// The whole document, as REST and the CLI show it: type, mesh, name, creationTime, modificationTime, labels, kri, then
// the spec.
boost::json::object to_json(const Resource& resource);
boost::json::object meta_json(const Resource& resource);  // without spec and status

// Reads a whole document. `registry` finds the kind by the document's `type`. Violations are complete. Invalid when it
// is no document of a known kind at all. `mesh` stays empty when the document names none.
struct Document {
  Resource resource;
  std::vector<Violation> violations;  // when not empty, resource is not usable
};
Result<Document> parse_document(const boost::json::value& json, const KindRegistry& registry);

// kri_<short>_<mesh>_<zone>_<namespace>_<name>_<section>; empty for kinds without a short name.
std::string kri_of(const Resource& resource, std::string_view section = {});

}  // namespace mesh
