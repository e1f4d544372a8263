// X.509 certificates: reading them, and building them from a plain description.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "identity/certificates.h"
#include "identity/openssl.h"

namespace mesh {

Result<std::vector<openssl::Certificate>> read_certificates(const std::string& pem);  // at least one
Result<std::string> print_certificate(X509* certificate);
std::string fingerprint(X509* certificate);  // SHA-256, hex
SystemTime expiry_of(X509* certificate);

// `by` is taken as 100 years at most, so that no sum overflows.
SystemTime later(SystemTime time, Duration by);

Result<openssl::Key> make_key(KeyType type);
Result<openssl::Key> make_rsa_key(unsigned bits);

struct CertificateDraft {
  std::string organization, organizational_unit, common_name;  // all empty: no subject
  std::vector<std::string> dns_names, ip_addresses, uris;
  SystemTime not_before{}, not_after{};
  bool is_ca = false;
  bool may_sign_certificates = false;
  bool may_be_used_for_tls = true;  // digital signature, and key encipherment for RSA
  bool for_server = false, for_client = false;
};

// What a request asks for, from `now` on; who signs decides on the rest.
CertificateDraft draft_of(const CertificateRequest& request, SystemTime now);

struct Signer {
  X509* certificate = nullptr;  // null: the certificate signs itself
  EVP_PKEY* key = nullptr;
};

Result<openssl::Certificate> build_certificate(const CertificateDraft& draft, EVP_PKEY* key, const Signer& signer);

}  // namespace mesh
