// A zone: an availability zone, a region or a data centre with a control plane of its own.
#pragma once

#include <boost/describe/class.hpp>

#include <optional>

#include "model/describe.h"

namespace mesh {

extern const Kind kZoneKind;

struct Zone {
  std::optional<bool> enabled;  // not set: it is

  bool is_enabled() const { return enabled.value_or(true); }
};
BOOST_DESCRIBE_STRUCT(Zone, (), (enabled))

}  // namespace mesh
