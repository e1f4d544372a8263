// What an Envoy said of itself when it connected.
#pragma once

#include <string>

#include "config/proxy_config.h"

namespace mesh {

// From the JSON of Envoy's node metadata. What is missing or of another type is left at its default.
ProxyTraits traits_of(const std::string& metadata_json);
// Whether it brought its own Dataplane, instead of finding one that an operator made.
bool registered_itself(const std::string& metadata_json);

}  // namespace mesh
