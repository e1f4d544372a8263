// The places of the credential chain, each by itself. A place that is not configured answers with no value.
#pragma once

#include <optional>
#include <string>

#include "aws/credentials.h"

namespace mesh::aws {

using Found = Result<std::optional<Credentials>>;

Found load_from_environment(const ChainNeeds& needs);
Found load_from_web_identity(const ChainNeeds& needs);
Found load_from_profile(const ChainNeeds& needs);
Found load_from_container(const ChainNeeds& needs);
Found load_from_instance(const ChainNeeds& needs);

// What a credential endpoint answers with. `source` is for messages.
Result<Credentials> parse_credentials_json(std::string_view body, const std::string& source);

std::string profile_region(const Environment& environment);  // empty: it says none
Result<std::string> instance_region(const ChainNeeds& needs);

// An answer with status 200 of something on this machine's own link: short timeout, few tries.
Result<std::string> fetch_local(const Caller& caller, wire::ClientRequest request, const std::string& what);

}  // namespace mesh::aws
