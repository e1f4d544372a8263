// Strings that must not be mixed up are types of their own.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace mesh {

template <class Tag>
struct StrongString {
  std::string value;

  StrongString() = default;
  explicit StrongString(std::string text) : value(std::move(text)) {}
  bool empty() const { return value.empty(); }
  const std::string& str() const { return value; }
  friend auto operator<=>(const StrongString&, const StrongString&) = default;
};

using MeshName = StrongString<struct MeshNameTag>;
using ResourceName = StrongString<struct ResourceNameTag>;

// The position of a committed write in the store's history. 0: before everything.
using Revision = std::uint64_t;

// Most proxies belong to one Dataplane; zone proxies carry the traffic between zones.
enum class ProxyRole { Dataplane, Ingress, Egress };

constexpr std::string_view proxy_type_name(ProxyRole type) {
  return type == ProxyRole::Dataplane ? "dataplane" : (type == ProxyRole::Ingress ? "ingress" : "egress");
}
constexpr std::optional<ProxyRole> parse_proxy_type(std::string_view text) {
  for (const ProxyRole type : {ProxyRole::Dataplane, ProxyRole::Ingress, ProxyRole::Egress}) {
    if (proxy_type_name(type) == text) return type;
  }
  return std::nullopt;
}

// One proxy, in the form that Envoy's node id has: "<mesh>.<name>". Zone proxies have an empty mesh.
struct ProxyId {
  std::string mesh;
  std::string name;
  ProxyRole type = ProxyRole::Dataplane;

  std::string node_id() const { return mesh + "." + name; }
  friend auto operator<=>(const ProxyId&, const ProxyId&) = default;
};

// A value that must not reach a log: no stream operator, no formatter, wiped on destruction.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { other.wipe(); }
  Secret& operator=(Secret other) noexcept {
    value_.swap(other.value_);
    return *this;
  }
  ~Secret() { wipe(); }

  // Named so that each place that reads a secret is easy to find.
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  void wipe() noexcept {
    volatile char* bytes = value_.data();
    for (std::size_t i = 0; i < value_.size(); ++i) bytes[i] = 0;
    value_.clear();
  }

  std::string value_;
};

}  // namespace mesh

template <class Tag>
struct std::hash<mesh::StrongString<Tag>> {
  std::size_t operator()(const mesh::StrongString<Tag>& text) const noexcept {
    return std::hash<std::string>{}(text.value);
  }
};

template <>
struct std::hash<mesh::ProxyId> {
  std::size_t operator()(const mesh::ProxyId& id) const noexcept {
    return (std::hash<std::string>{}(id.mesh) * 31 + std::hash<std::string>{}(id.name)) * 31 +
           static_cast<std::size_t>(id.type);
  }
};
