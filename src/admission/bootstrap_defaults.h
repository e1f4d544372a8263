// What a control plane makes at its first start: keys that sign user and zone tokens, the admin's token, its zone,
// the default mesh and the hostname generators of a zone. Safe to call at every start and from several control planes
// at once: what is there stays.
#pragma once

#include <string>

#include "admission/admission.h"
#include "store/store.h"

namespace mesh {

inline constexpr const char* kAdminTokenSecret = "admin-user-token";

struct BootstrapSettings {
  std::string zone = "default";
  bool create_default_mesh = true;
  bool create_admin_token = true;
  bool create_hostname_generators = true;
};

// Unavailable when the store is: try again.
Status ensure_defaults(Store& store, Admission& admission, const BootstrapSettings& settings, const Clock& clock);

}  // namespace mesh
