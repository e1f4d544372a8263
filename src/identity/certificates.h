// Workload certificates: who signs them, and the making of keys and certificates. ECDSA P-256 unless said otherwise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "model/mesh.h"
#include "model/secret_source.h"

namespace mesh {

struct KeyPair {
  std::string certificate_pem;  // leaf first
  Secret key_pem;
  SystemTime not_before{};
  SystemTime not_after{};
};

enum class KeyType { EcdsaP256, Rsa2048 };

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;  // SPIFFE IDs
  bool for_server = true;
  bool for_client = true;
  Duration valid_for{};
  Duration backdate = std::chrono::minutes(5);  // for clocks that are behind
  KeyType key_type = KeyType::EcdsaP256;        // of what a CA issues
};

// Requests are checked: names must be plain ASCII, addresses must be addresses; Invalid otherwise.
// A self-signed server certificate, as the control plane makes at its first start and `generate tls-certificate` does.
Result<KeyPair> make_self_signed(const CertificateRequest& request, KeyType type, const Clock& clock);

// The CA of a mesh. Thread-safe: signing needs no lock.
class CertificateAuthority {
 public:
  virtual ~CertificateAuthority() = default;
  virtual const std::string& root_pem() const = 0;  // what peers verify against; may hold several
  virtual const std::string& id() const = 0;        // changes when the CA's certificate does
  // Never valid for longer than the CA itself. Unavailable when that has expired.
  virtual Result<KeyPair> issue(const CertificateRequest& request, const Clock& clock) const = 0;
};

// A new root for the `builtin` backend: trust domain spiffe://<mesh>, valid for 10 years or as conf.caCert.expiration
// says; ECDSA P-256, or RSA where conf.caCert.RSAbits asks for it.
Result<KeyPair> make_builtin_root(const std::string& mesh, const CaBackend& backend, const Clock& clock);
// Names of the secrets that hold a builtin CA: <mesh>.ca-builtin-cert-<backend>, <mesh>.ca-builtin-key-<backend>
std::string builtin_certificate_secret(const std::string& mesh, const std::string& backend);
std::string builtin_key_secret(const std::string& mesh, const std::string& backend);

// The CA that the mesh's enabled backend describes: `builtin` (from secrets) or `provided` (conf: cert, key as
// secret, file, inline or inlineString). NotFound/Invalid say what is missing, and where.
Result<std::shared_ptr<const CertificateAuthority>> load_authority(const std::string& mesh, const CaBackend& backend,
                                                                   const SecretSource& secrets);

// The Secrets of the mesh that the backend cannot do without.
std::vector<std::string> used_secrets(const std::string& mesh, const CaBackend& backend);

// How long its workload certificates live: dpCert.rotation.expiration, 24 h when it says nothing.
Result<Duration> workload_validity(const CaBackend& backend);

// Checks a PEM certificate (leaf first, then what signed it) and key: they belong together, and it may sign (for a CA:
// each certificate is one, with keyCertSign and without keyAgreement). Invalid, with violations at `cert`, `cert[0]`,
// `key`.
Status check_key_pair(const std::string& certificate_pem, const Secret& key_pem, bool must_be_ca);

}  // namespace mesh
