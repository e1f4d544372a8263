#include "aws/rds.h"

#include <fmt/format.h>

namespace mesh::aws {

Secret rds_password(const std::string& host, int port, const std::string& user, const KeyPair& keys,
                    const std::string& region, SystemTime now) {
  const std::string place = fmt::format("{}:{}", host, port);
  const SigningRequest request{.method = "GET",
                               .path = "/",
                               .query = form_encode({{"Action", "connect"}, {"DBUser", user}}),
                               .headers = {{"Host", place}},
                               .body = {}};
  return Secret(place + "/?" + presign(request, keys, {region, "rds-db"}, now, std::chrono::minutes(15)));
}

std::string region_of_rds_host(const std::string& host) {
  const auto end = host.find(".rds.amazonaws.com");
  if (end == std::string::npos || end == 0) return {};
  const auto begin = host.rfind('.', end - 1);
  return begin == std::string::npos ? std::string() : host.substr(begin + 1, end - begin - 1);
}

}  // namespace mesh::aws
