// What must stand beside a Mesh: the key that signs its proxies' tokens, its certificate authorities, its first
// policies.
#pragma once

#include <string>
#include <vector>

#include "admission/admission.h"
#include "model/mesh.h"
#include "model/rules.h"
#include "store/store.h"

namespace mesh {

// Can every backend do its work? Reads the store for keys that a `provided` backend names.
void check_backends(const Mesh& mesh, const std::string& name, const Store& store, Violations& violations);

// The writes to make in the same transaction, after that of the Mesh: for a new mesh all of it; for one that exists
// only the keys that are missing. Makes keys: takes some 100 ms for a new mesh.
Result<std::vector<Write>> companion_writes(const Mesh& mesh, const std::string& name, bool is_new, const Store& store,
                                            const AdmissionSettings& settings, const Clock& clock);

// A resource that the control plane makes itself, ready to be written, as long as there is none.
Write first_write(Resource resource, const Clock& clock);

}  // namespace mesh
