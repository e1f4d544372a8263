// taskmesh-cp aws-secrets: what a control plane's task keeps in Secrets Manager. All of it may be done by any number of
// tasks at once, and again at each start.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "aws/secrets_manager.h"
#include "base/clock.h"
#include "base/result.h"

namespace mesh {

struct TlsSecret {
  std::string arn;                      // its text: a JSON object with certificate, key and ca, in PEM
  std::string ca_arn;                   // the secret that gets ca alone, for sidecars; empty: none does
  std::vector<std::string> host_names;  // not empty: a certificate for these is made where the secret holds none
  std::filesystem::path directory;      // gets tls.crt and tls.key
};
// The certificate of the control plane's listeners: made once, the same for all tasks, written to files, and what
// sidecars check it against published. Invalid: what the secret holds is not that. Unavailable: try again.
Status prepare_tls(const TlsSecret& wanted, aws::SecretVault& vault, const Clock& clock);

// Puts the administrator's token, as the control plane on this machine's `api_url` tells it, into a secret.
Status save_admin_token(const std::string& api_url, const std::string& arn, aws::SecretVault& vault,
                        const aws::Fetch& fetch);

// The same with the credentials of the task; for about a minute they try again what is Unavailable. They tell what they
// do on standard output.
Status run_prepare_tls(const TlsSecret& wanted);
Status run_save_admin_token(const std::string& api_url, const std::string& arn);

}  // namespace mesh
