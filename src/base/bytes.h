// Bytes that are made once and shared by everyone who sends them.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace mesh {

using Bytes = std::shared_ptr<const std::string>;

inline Bytes make_bytes(std::string content) { return std::make_shared<const std::string>(std::move(content)); }

// A resource of the discovery protocol as its transport sees it: a name, a version that changes when the content does,
// and the serialised google.protobuf.Any.
struct NamedResource {
  std::string name;
  std::string version;
  Bytes body;

  friend bool operator==(const NamedResource& a, const NamedResource& b) {
    return a.name == b.name && a.version == b.version;
  }
};

// All resources of one type that one peer should have, in the order of their names. Shared and immutable.
using NamedResources = std::shared_ptr<const std::vector<NamedResource>>;

}  // namespace mesh
