#include "aws/rds.h"

#include <gtest/gtest.h>

namespace mesh::aws {
namespace {

const std::string kHost = "mesh.abc123.eu-west-1.rds.amazonaws.com";
const SystemTime kNow = *parse_time("2026-11-24T11:20:00Z");

std::string field(const std::string& password, const std::string& name) {
  const auto at = password.find(name + "=");
  if (at == std::string::npos) return "(none)";
  const auto begin = at + name.size() + 1;
  return password.substr(begin, password.find('&', begin) - begin);
}

// The signatures are those that AWS's own SDK for Python makes of the same.
TEST(RdsPassword, IsWhatAwsOwnToolsMake) {
  const Secret password =
      rds_password(kHost, 5432, "mesh user",
                   {"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret()}, "eu-west-1", kNow);
  EXPECT_EQ(
      password.reveal(),
      kHost +
          ":5432/?Action=connect&DBUser=mesh%20user&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
          "AKIDEXAMPLE%2F20261124%2Feu-west-1%2Frds-db%2Faws4_request&X-Amz-Date=20261124T112000Z&X-Amz-Expires=900&"
          "X-Amz-SignedHeaders=host&X-Amz-Signature=c5da80c611566674e84390b592ed23679f01c41d4b57c094a22a81bd72d8e4b4");
}

TEST(RdsPassword, OfARoleHoldsItsSession) {
  const Secret password =
      rds_password(kHost, 5432, "mesh user",
                   {"ASIAEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret("SESSION/TOKEN+=")},
                   "eu-west-1", kNow);
  EXPECT_EQ(field(password.reveal(), "X-Amz-Security-Token"), "SESSION%2FTOKEN%2B%3D");
  EXPECT_EQ(field(password.reveal(), "X-Amz-Signature"),
            "ead94d91b79536764973ce62f56e0c4aff6f3e9b2b201a98bebad00ec763a460");
}

TEST(RdsPassword, IsForTheRegionThatTheHostNames) {
  EXPECT_EQ(region_of_rds_host(kHost), "eu-west-1");
  EXPECT_EQ(region_of_rds_host("mesh.cluster-abc.cn-north-1.rds.amazonaws.com.cn"), "cn-north-1");
  EXPECT_EQ(region_of_rds_host("db.example.internal"), "");
  EXPECT_EQ(region_of_rds_host(".rds.amazonaws.com"), "");
}

}  // namespace
}  // namespace mesh::aws
