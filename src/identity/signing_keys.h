// RSA keys that sign tokens: reading, making, and keeping them parsed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "identity/openssl.h"

namespace mesh {

using SharedKey = std::shared_ptr<EVP_PKEY>;

// RSA of at least 2048 bits, in PEM or (as old installations have it) bare PKCS#1 DER.
Result<SharedKey> read_signing_key(const Secret& content);
// In PEM: PKCS#1 or SubjectPublicKeyInfo.
Result<SharedKey> read_verification_key(const std::string& pem);

// Keys by their content, parsed once. Thread-safe.
class VerificationKeys {
 public:
  Result<SharedKey> of_private(const Secret& content);
  Result<SharedKey> of_public(const std::string& pem);

 private:
  template <class Content, class Read>
  Result<SharedKey> find_or_read(const std::string& bytes, const Content& content, Read read);

  std::mutex mutex_;
  std::map<std::string, SharedKey> by_digest_;
};

}  // namespace mesh
