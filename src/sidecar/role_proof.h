// Proves which IAM role the task runs with: signs a proof for this proxy and this control plane, keeps it in a file
// that Envoy reads for each of its streams, and signs anew every two minutes, since AWS honours a signature for five.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "aws/credentials.h"
#include "aws/identity_proof.h"
#include "base/ids.h"
#include "base/result.h"

namespace mesh::sidecar {

// The host of a URL, as proofs name their audience: "https://CP.mesh:5678/x" → "cp.mesh".
std::string audience_of(const std::string& cp_address);

class RoleProof {
 public:
  using Write = std::function<Status(const Secret& proof)>;

  static constexpr Duration kSignEvery = std::chrono::minutes(2), kTryAgainAfter = std::chrono::seconds(5);

  RoleProof(aws::ChainNeeds needs, aws::ProofClaims claims, Write write);

  // Takes credentials, signs, writes. Blocks.
  Status sign();
  // The same, until it works or what is wrong will not pass by itself; at most `tries` times, with pauses.
  Status sign_at_start(int tries);
  // From now on signs every two minutes on a thread of its own, sooner where the keys end sooner; failures are logged,
  // and tried again soon.
  void keep_signing();
  // After sign(): when to do it again. A proof is good for as long as the keys that signed it.
  Duration until_next() const;

 private:
  void run(const std::stop_token& stop);
  void wait(const std::stop_token& stop, Duration time);

  const aws::ChainNeeds needs_;
  const aws::ProofClaims claims_;
  const Write write_;
  aws::CredentialCache credentials_;
  const aws::Region* region_ = nullptr;
  std::string told_;  // whose credentials were logged last
  std::optional<SystemTime> keys_end_;
  std::mutex mutex_;
  std::condition_variable_any never_;
  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace mesh::sidecar
