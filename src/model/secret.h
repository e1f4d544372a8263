// Secrets of a mesh and of the whole system: keys, tokens, certificates. In documents `data` is base64.
#pragma once

#include <boost/describe/class.hpp>

#include <optional>
#include <string>

#include "base/ids.h"
#include "model/describe.h"
#include "model/resource.h"

namespace mesh {

extern const Kind kSecretKind;        // scope: mesh
extern const Kind kGlobalSecretKind;  // scope: global

struct SecretData {
  std::optional<std::string> data;  // base64
};
BOOST_DESCRIBE_STRUCT(SecretData, (), (data))

// A Secret (`mesh` not empty) or GlobalSecret that holds `value`.
Resource secret_resource(const std::string& mesh, const std::string& name, const Secret& value);

// What the Secret or GlobalSecret holds. Invalid when it is not base64; never shows it.
Result<Secret> secret_value(const Resource& resource);

}  // namespace mesh
