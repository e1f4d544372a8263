// Claims as they lie in a token: the names are those that the stock programs write and read.
#pragma once

#include <boost/json/object.hpp>

#include "base/result.h"
#include "identity/tokens.h"

namespace mesh {

boost::json::object print_claims(const DataplaneClaims& claims);
boost::json::object print_claims(const ZoneClaims& claims);
boost::json::object print_claims(const User& user);

// Unauthenticated when a claim has a shape that it cannot have: what cannot be understood must not widen a token.
Result<DataplaneClaims> read_dataplane_claims(const boost::json::object& claims);
Result<ZoneClaims> read_zone_claims(const boost::json::object& claims);
Result<User> read_user_claims(const boost::json::object& claims);

}  // namespace mesh
