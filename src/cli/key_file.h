// A signing key in a file, where a control plane would have it in a secret: with it, tokens are signed offline.
#pragma once

#include <string>

#include "base/files.h"
#include "model/secret_source.h"

namespace mesh::cli {

class KeyFile final : public SecretSource {
 public:
  static Result<KeyFile> open(const std::string& path, std::string key_id) {
    MESH_TRY(std::string pem, read_file(path, 1UL << 20));
    return KeyFile(Secret(std::move(pem)), std::move(key_id));
  }

  // Every signing key is this one.
  Result<Secret> find_secret(const std::string&, const std::string& name) const override {
    if (name.ends_with("-" + key_id_)) return key_;
    return error(ErrorKind::NotFound, "there is only the signing key " + key_id_);
  }
  Result<std::vector<std::string>> list_secrets(const std::string&, const std::string& prefix) const override {
    return std::vector<std::string>{prefix + (prefix.ends_with('-') ? "" : "-") + key_id_};
  }

 private:
  KeyFile(Secret key, std::string key_id) : key_(std::move(key)), key_id_(std::move(key_id)) {}
  Secret key_;
  std::string key_id_;
};

}  // namespace mesh::cli
