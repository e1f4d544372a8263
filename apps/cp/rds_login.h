// Logging in to RDS with the IAM role of this control plane.
#pragma once

#include <functional>
#include <string>

#include "aws/credentials.h"
#include "base/ids.h"
#include "base/result.h"

namespace mesh {

// Makes a fresh password for each connection. Where several hosts are named it is for the first.
Result<std::function<Result<Secret>()>> rds_login(const std::string& host, int port, const std::string& user,
                                                  aws::ChainNeeds needs);

}  // namespace mesh
