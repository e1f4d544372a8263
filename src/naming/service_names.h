// Names in DNS that values of kuma.io/service have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mesh {

// A DNS-1035 label: lower case letters, digits and '-', beginning with a letter. Only a service of such a name gets a
// MeshService.
bool is_service_label(std::string_view text);

// The names under which a value of kuma.io/service is found: "<service>.<domain>", and where it has underscores also
// with dots in their place. Lower case, as names in DNS do not tell cases apart; empty for what cannot be a name in
// DNS.
std::vector<std::string> service_hostnames(std::string_view service, std::string_view domain);

}  // namespace mesh
