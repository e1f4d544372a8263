// The secrets that lie in the store as Secret and GlobalSecret resources.
#pragma once

#include "model/secret_source.h"
#include "store/store.h"

namespace mesh {

// Thread-safe. `store` must outlive it.
class StoreSecrets final : public SecretSource {
 public:
  explicit StoreSecrets(const Store& store) : store_(store) {}
  Result<Secret> find_secret(const std::string& mesh, const std::string& name) const override;
  Result<std::vector<std::string>> list_secrets(const std::string& mesh, const std::string& prefix) const override;

 private:
  const Store& store_;
};

}  // namespace mesh
