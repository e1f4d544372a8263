// What Envoy gets over SDS.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/ids.h"

namespace mesh::envoy {

// A certificate with its key. The version tells contents apart without telling anything of the key.
NamedResourcePtr identity_secret(const std::string& name, const std::string& certificate_pem, const Secret& key_pem);

// The roots that peers are verified against; may be several.
NamedResourcePtr trust_secret(const std::string& name, const std::string& roots_pem);

}  // namespace mesh::envoy
