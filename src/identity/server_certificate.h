// What a server's certificate is good for, as its clients will see it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace mesh {

// All of the first certificate of the PEM. Invalid: it is no certificate.
struct ServerNames {
  std::vector<std::string> addresses;  // IP addresses
  std::vector<std::string> dns_names;
};
Result<ServerNames> server_names_of(const std::string& certificate_pem);
// May a client that asked for `host` (a name or an IP address) trust it? Wildcards are honoured.
Result<bool> is_certificate_for(const std::string& certificate_pem, const std::string& host);
// False only when the certificate says that it is no authority (basic constraint CA:FALSE).
Result<bool> may_be_authority(const std::string& certificate_pem);

}  // namespace mesh
