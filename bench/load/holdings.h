// What one Envoy has been given, and what a new response means to it. No sockets.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "load/messages.h"

namespace mesh::load {

// What a response brought.
struct Verdict {
  bool is_useless = false;  // nothing in it was new to this Envoy, and it did not wait for any of it
  int resources = 0;
  int useless_resources = 0;
};

class Holdings {
 public:
  struct Resource {
    std::uint64_t hash = 0;
    std::string version;  // delta
    int endpoints = 0;    // of a ClusterLoadAssignment
  };
  struct Type {
    std::map<std::string, Resource, std::less<>> resources;
    std::string version;             // state of the world: accepted last
    std::string nonce;               // of the last response on this stream
    std::vector<std::string> names;  // asked for, sorted; empty for clusters and listeners: all
    bool is_asked = false;           // on this stream
    bool is_answered = false;        // ever
  };

  Verdict take(Speaks speaks, const HeardResponse& response);
  // Names that clusters and listeners refer to, sorted.
  std::vector<std::string> referred(XdsType type) const;
  bool has_all(XdsType type) const;  // that it asked for

  Type& of(XdsType type) { return types_[static_cast<std::size_t>(type)]; }
  const Type& of(XdsType type) const { return types_[static_cast<std::size_t>(type)]; }

 private:
  void note_references(XdsType type, std::string_view name, std::string_view body, std::uint64_t hash);

  std::array<Type, std::size(kXdsTypes)> types_;
  std::set<std::string, std::less<>> waiting_;  // clusters that changed since their endpoints came: Envoy warms them
  // What each cluster and listener refers to; owned by the table of contents that are known.
  std::map<std::string, const References*, std::less<>> cluster_references_, listener_references_;
};

}  // namespace mesh::load
