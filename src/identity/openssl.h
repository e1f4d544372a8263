// OpenSSL's objects with owners. Only this room's sources include it.
#pragma once

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace mesh::openssl {

template <auto function>
struct Free {
  template <class T>
  void operator()(T* object) const {
    function(object);
  }
};

using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free<EVP_MD_CTX_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Stream = std::unique_ptr<BIO, Free<BIO_free_all>>;
using BigNumber = std::unique_ptr<BIGNUM, Free<BN_free>>;

Error failure(std::string_view doing);  // with what OpenSSL says last; clears its queue

Stream reader(std::string_view content);  // `content` must outlive it
std::string written(BIO* stream);

// A private key of any type, in PEM. An encrypted one is refused and never asked about.
Result<Key> read_private_key(const Secret& pem);
Result<Secret> print_private_key(EVP_PKEY* key);  // PKCS#1 for RSA, SEC1 for EC

std::string sha256(std::string_view content);

}  // namespace mesh::openssl
