// What a policy is for, or from, or to.
// https://kuma.io/docs/2.13.x/policies/introduction/
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/describe.h"

namespace mesh {

enum class TargetKind {
  Mesh,
  MeshSubset,
  MeshGateway,
  MeshService,
  MeshExternalService,
  MeshMultiZoneService,
  MeshServiceSubset,
  MeshHTTPRoute,
  Dataplane
};
BOOST_DESCRIBE_ENUM(TargetKind, Mesh, MeshSubset, MeshGateway, MeshService, MeshExternalService, MeshMultiZoneService,
                    MeshServiceSubset, MeshHTTPRoute, Dataplane)
enum class ProxyType { Sidecar, Gateway };
BOOST_DESCRIBE_ENUM(ProxyType, Sidecar, Gateway)

struct TargetRef {
  TargetKind kind = TargetKind::Mesh;
  std::optional<std::string> name = {};
  std::optional<std::string> namespace_ = {};  // JSON: "namespace"
  std::optional<std::map<std::string, std::string>> tags = {};
  std::optional<std::map<std::string, std::string>> labels = {};
  std::optional<std::string> section_name = {};
  std::optional<std::string> mesh = {};
  std::optional<std::vector<ProxyType>> proxy_types = {};

  static constexpr std::array kRules = {FieldRule{.member = "kind", .required = true}};
};
BOOST_DESCRIBE_STRUCT(TargetRef, (), (kind, name, tags, mesh, proxy_types, namespace_, labels, section_name))

}  // namespace mesh
