// What kinds of resources there are, and what every part of the program needs to know of each: REST paths, scope,
// how its spec is read from JSON and printed. A kind is described once; nothing else lists kinds.
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mesh {

// A parsed spec of any kind: immutable, shared between the store's feed, snapshots and builders.
class AnySpec {
 public:
  AnySpec() = default;
  template <class T>
  static AnySpec of(T spec) {
    return sharing(std::make_shared<const T>(std::move(spec)));
  }
  template <class T>
  static AnySpec sharing(std::shared_ptr<const T> spec) {
    AnySpec any;
    any.value_ = std::move(spec);
    any.type_ = &typeid(T);
    return any;
  }

  bool empty() const { return value_ == nullptr; }
  // The spec as T. Null when it is of another type.
  template <class T>
  const T* as() const {
    return type_ != nullptr && *type_ == typeid(T) ? static_cast<const T*>(value_.get()) : nullptr;
  }
  template <class T>
  std::shared_ptr<const T> share() const {
    return as<T>() ? std::static_pointer_cast<const T>(value_) : nullptr;
  }

 private:
  std::shared_ptr<const void> value_;
  const std::type_info* type_ = nullptr;
};

enum class Scope { Global, Mesh };

// How the spec lies in a document: Mesh, Dataplane, Secret … have their fields beside `type` and `name`; newer kinds
// have them under `spec` (and what the control plane found out under `status`).
enum class Layout { Flat, Spec };

// What REST shows at /_resources and /policies about a policy.
struct PolicyTraits {
  bool is_target_ref = true;  // false for the kinds from before targetRef
  bool has_to = false;
  bool has_from = false;
  bool has_rules = false;
  bool from_as_rules = false;
};

struct Kind {
  std::string name = {};        // "MeshTrafficPermission"
  std::string path = {};        // "meshtrafficpermissions"
  std::string short_name = {};  // "mtp", used in KRIs
  std::string singular = {};    // "Mesh Traffic Permission"
  std::string plural = {};      // "Mesh Traffic Permissions"
  Scope scope = Scope::Mesh;
  Layout layout = Layout::Spec;
  bool read_only = false;     // written by the control plane only
  bool admin_only = false;    // only for who may touch admin resources, to read as to write
  bool made_in_zones = true;  // may be made on a zone's control plane; such resources are labelled with their origin
  bool include_in_federation = true;
  bool is_policy = false;
  bool is_internal = false;  // the control plane's own book-keeping: neither REST nor the CLI show it
  PolicyTraits policy = {};
  std::vector<std::string> path_aliases = {};  // e.g. "global-secrets"

  // Reads a spec from the value of `spec` (Layout::Spec) or from the whole document (Layout::Flat). Everything that is
  // wrong (unknown enum value, wrong type, out of range) goes to `violations` with its path, starting with `spec.`
  // where the layout is Spec. On violations the returned spec must not be used.
  AnySpec (*parse)(const boost::json::value& json, std::vector<Violation>& violations) = nullptr;
  boost::json::value (*print)(const AnySpec& spec) = nullptr;
  // The same for `status`, where a kind has one (`describe_kind<Spec, Status>`).
  AnySpec (*parse_status)(const boost::json::value& json, std::vector<Violation>& violations) = nullptr;
  boost::json::value (*print_status)(const AnySpec& status) = nullptr;
  // Checks that need the whole spec. Null: nothing to check. Appends to `violations`.
  void (*validate)(const AnySpec& spec, std::vector<Violation>& violations) = nullptr;
  // Warnings that a write is answered with (deprecated fields, a policy that has no effect). Null: none.
  void (*warn)(const AnySpec& spec, std::vector<std::string>& warnings) = nullptr;
  // Of what can be called: its ports, each with the name of its section. REST shows the server name (SNI) of each.
  std::vector<std::pair<std::int32_t, std::string>> (*sections)(const AnySpec& spec) = nullptr;
};

// The kinds that this program knows. Filled once in `main` (built-in kinds, then one per policy folder), then only
// read; not thread-safe while filling.
class KindRegistry {
 public:
  void add(const Kind& kind);                                  // `kind` must outlive the registry
  const Kind* find_by_name(std::string_view name) const;       // also of an internal one
  const Kind* find_by_path(std::string_view path) const;       // also by alias
  std::span<const Kind* const> all() const { return kinds_; }  // in the order of their names, without internal ones

 private:
  std::vector<const Kind*> kinds_, internal_;
};

}  // namespace mesh
