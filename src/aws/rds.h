// Passwords of databases of RDS and Aurora that take IAM's word for who logs in: a signed request that is never sent.
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
#pragma once

#include <string>

#include "aws/sigv4.h"

namespace mesh::aws {

// Good for logging in as `user` within a quarter of an hour. `host` and `port` are those that are connected to.
Secret rds_password(const std::string& host, int port, const std::string& user, const KeyPair& keys,
                    const std::string& region, SystemTime now);

// The region that the name of an instance says: "mesh.abc.eu-west-1.rds.amazonaws.com". Empty: it says none.
std::string region_of_rds_host(const std::string& host);

}  // namespace mesh::aws
