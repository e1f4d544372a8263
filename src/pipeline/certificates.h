// The certificate stage: what Envoy gets over SDS. One identity certificate per proxy, made when it is needed and kept
// until its renewal, whatever reconnects; and per mesh what its proxies trust.
//
// When the CA of a mesh changes while proxies are connected, nothing may break that works: first everybody trusts the
// old and the new root, then everybody gets a certificate of the new one, then the old root goes. The stage says which
// step it is at (`generation`); who drives it tells it when all proxies have what the step gave them.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "config/proxy_config.h"
#include "identity/certificates.h"
#include "model/secret_source.h"
#include "snapshot/snapshot.h"

namespace mesh {

struct ProxyCertificate {
  SystemTime issued{};
  SystemTime expires{};
  SystemTime renew_at{};
  std::string backend;
  std::vector<std::string> supported_backends;
};

// Thread-safe.
class Certificates {
 public:
  Certificates(const SecretSource& secrets, const Clock& clock) : secrets_(secrets), clock_(clock) {}

  // The Mesh or one of its secrets changed. True: its proxies have to be given their secrets again. `in_use`: proxies
  // are connected, so that a new CA must be introduced step by step. A CA that cannot be loaded leaves things as they
  // are, and is said in the log.
  bool refresh(const MeshSnapshot& mesh, bool in_use);
  void forget(const std::string& mesh);

  // All proxies of the mesh have what generation() stands for. True: there is a next step, and they have to be given
  // their secrets again.
  bool advance(const std::string& mesh);
  bool is_rotating(const std::string& mesh) const;

  struct Bundle {
    NamedResources resources;
    std::uint64_t generation = 0;                 // of the mesh's CA; 0: no secrets are needed
    std::optional<ProxyCertificate> certificate;  // set when one was made just now
  };
  // The content of `wanted`, for one proxy. Unavailable: the mesh's CA could not be loaded (yet).
  Result<Bundle> bundle_for(const MeshSnapshot& mesh, const Resource& dataplane, const std::vector<SecretRef>& wanted);
  void forget(const ProxyId& proxy);

  std::uint64_t made() const;  // certificates, since the start

 private:
  enum class Step { Settled, Trusting, Issuing };
  struct Issuer {
    std::shared_ptr<const CertificateAuthority> authority;
    std::string backend;
    Duration valid_for{};
  };
  struct MeshState {
    std::optional<Issuer> issuer;
    std::optional<Issuer> next;  // waits until everybody trusts it
    std::string also_trusted;    // PEM of the root that comes or goes
    std::vector<std::string> supported;
    std::uint64_t generation = 0;
    Step step = Step::Settled;
    std::string problem;  // the last that was logged

    std::string trusted_pem() const;
    // The same for all proxies of the mesh: made once.
    NamedResourcePtr trust(const std::string& name);

   private:
    NamedResourcePtr trust_;
    std::uint64_t trust_generation_ = 0;
  };
  struct Identity {
    std::vector<std::string> uris;
    std::string authority;
    Duration valid_for{};
    SystemTime renew_at{};
    NamedResourcePtr resource;
  };

  bool take_over(MeshState& state, Issuer issuer, bool in_use);
  Result<NamedResourcePtr> identity_for(const MeshState& state, const Resource& dataplane, const std::string& name,
                                        std::optional<ProxyCertificate>& made);

  const SecretSource& secrets_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, MeshState> meshes_;
  std::map<ProxyId, Identity> identities_;
  std::uint64_t last_generation_ = 0;
  std::uint64_t made_ = 0;
};

// The names that a proxy's certificate carries: spiffe://<mesh>/<service> for each of its services, and
// kuma://<tag>/<value> for each of its tags.
std::vector<std::string> identity_uris(const std::string& mesh, const Dataplane& dataplane);

}  // namespace mesh
