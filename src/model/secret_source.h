// Who needs a secret (signing keys, certificate authorities) asks here, and need not know where secrets lie.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace mesh {

// Thread-safe. Gives what is newest.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  // The decoded content of a Secret (mesh not empty) or GlobalSecret (mesh empty). NotFound.
  virtual Result<Secret> find_secret(const std::string& mesh, const std::string& name) const = 0;
  // Names of the secrets that start with `prefix`, in their order.
  virtual Result<std::vector<std::string>> list_secrets(const std::string& mesh, const std::string& prefix) const = 0;
};

}  // namespace mesh
