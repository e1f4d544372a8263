// Bytes that are made once and shared by everyone who sends them.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace mesh {

using Bytes = std::shared_ptr<const std::string>;

inline Bytes make_bytes(std::string content) { return std::make_shared<const std::string>(std::move(content)); }

// A resource of the discovery protocol as its transport sees it: a name, a version that changes when the content does,
// and the serialised google.protobuf.Any. Made once, and shared by all proxies that have it.
struct NamedResource {
  std::string name;
  std::string version;
  Bytes body;

  friend bool operator==(const NamedResource& a, const NamedResource& b) {
    return a.name == b.name && a.version == b.version;
  }
};
using NamedResourcePtr = std::shared_ptr<const NamedResource>;  // never null in a list

inline NamedResourcePtr make_named(std::string name, std::string version, Bytes body = nullptr) {
  return std::make_shared<const NamedResource>(NamedResource{std::move(name), std::move(version), std::move(body)});
}

inline bool is_same(const NamedResourcePtr& a, const NamedResourcePtr& b) { return a == b || (a && b && *a == *b); }

// All resources of one type that one peer should have, in the order of their names. Shared and immutable.
using NamedResourceList = std::vector<NamedResourcePtr>;
using NamedResources = std::shared_ptr<const NamedResourceList>;

inline bool is_same(const NamedResourceList& a, const NamedResourceList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const NamedResourcePtr& one, const NamedResourcePtr& other) { return is_same(one, other); });
}

inline constexpr auto name_of_resource = [](const NamedResourcePtr& resource) -> const std::string& {
  return resource->name;
};

}  // namespace mesh
