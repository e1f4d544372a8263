// The parts of a service's resource that the control plane writes.
#pragma once

#include <string>
#include <vector>

#include "model/resource.h"
#include "model/service.h"
#include "naming/hostname_book.h"
#include "naming/service_book.h"

namespace mesh {

// Made by us from Dataplanes of this zone, and not by a person or elsewhere.
bool is_generated(const Resource& service);
Labels generated_labels(const ResourceKey& service, const std::string& zone);

// What a status says of names and the address, the same for all kinds. What others said of a name (Published) stays as
// long as the name and the address do.
void set_names(Resource& service, const HostnameBook::Outcome& names, const std::string& address,
               std::vector<Condition> conditions);
// State and identities in the spec, TLS and counts in the status of a MeshService.
void set_totals(Resource& service, const ServiceBook::Totals& totals, bool mesh_has_tls);
// Which MeshServices a MeshMultiZoneService takes together.
void set_members(Resource& service, std::vector<MatchedMeshService> members);

bool is_same(const Resource& a, const Resource& b);
// They differ in nothing but the counts of proxies.
bool differ_in_counts_only(const Resource& a, const Resource& b);

}  // namespace mesh
