// The ranges of virtual addresses, as the settings give them.
#pragma once

#include <string>
#include <vector>

#include "base/address_range.h"
#include "settings/control_plane.h"

namespace mesh {

struct NameRanges {
  AddressRange service, mesh_service, mesh_external_service, mesh_multi_zone_service;
};

// Invalid, naming the setting: what is no range of IPv4 addresses, ranges that overlap (that of dnsServer may have
// others inside of it), a domain that is no name. `warnings`: what works, but not for sidecars that bind their
// outbounds.
Result<NameRanges> read_name_ranges(const ControlPlaneSettings& settings, std::vector<std::string>& warnings);

}  // namespace mesh
