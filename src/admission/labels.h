// The labels that the control plane gives to what is made here, and what a person may not say otherwise.
#pragma once

#include <string>

#include "model/resource.h"
#include "model/rules.h"

namespace mesh {

inline constexpr const char* kMeshLabel = "kuma.io/mesh";
inline constexpr const char* kOriginLabel = "kuma.io/origin";
inline constexpr const char* kEnvironmentLabel = "kuma.io/env";
inline constexpr const char* kZoneLabel = "kuma.io/zone";
inline constexpr const char* kProxyTypeLabel = "kuma.io/proxy-type";
inline constexpr const char* kDisplayNameLabel = "kuma.io/display-name";
inline constexpr const char* kWorkloadLabel = "kuma.io/workload";

// Adds what is missing: kuma.io/mesh, and for kinds that zones make kuma.io/origin, kuma.io/zone and kuma.io/env; sets
// kuma.io/proxy-type of a Dataplane.
void add_computed_labels(Resource& resource, const std::string& zone);

// Labels that contradict where the resource is made; characters; the workload's name.
void check_resource_labels(const Resource& draft, const std::string& zone, Violations& violations);

// Labels that say where a resource came from never change. Both with their computed labels.
void check_immutable_labels(const Resource& before, const Resource& after, Violations& violations);

}  // namespace mesh
