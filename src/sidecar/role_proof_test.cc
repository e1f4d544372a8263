#include "sidecar/role_proof.h"

#include <gmock/gmock.h>

namespace mesh::sidecar {
namespace {

TEST(Audience, IsTheHostThatIsDialled) {
  EXPECT_EQ(audience_of("https://CP.Mesh.Local:5678"), "cp.mesh.local");
  EXPECT_EQ(audience_of("https://cp.mesh.local/"), "cp.mesh.local");
  EXPECT_EQ(audience_of("https://10.0.0.1:5678/x"), "10.0.0.1");
  EXPECT_EQ(audience_of("https://[fd00::1]:5678"), "fd00::1");
  EXPECT_EQ(audience_of("https://[fd00::1]"), "fd00::1");
}

struct Task {
  Task() {
    needs.environment =
        aws::Environment{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"}, {"AWS_REGION", "eu-west-1"}};
    needs.caller.clock = &clock;
    needs.caller.fetch = [this](wire::ClientRequest) -> Result<wire::Response> {
      ++asked;
      if (is_down) return error(ErrorKind::Unavailable, "the agent is down");
      return wire::Response{
          .status = 200,
          .headers = {},
          .body = R"({"RoleArn":"arn:aws:iam::123456789012:role/kv","AccessKeyId":"ASIAEXAMPLEEXAMPLE0)" +
                  std::to_string(keys) + R"(","SecretAccessKey":"s","Token":"t","Expiration":")" + expires + "\"}"};
    };
  }
  RoleProof proof() {
    return RoleProof(needs, {.audience = "cp", .mesh = "default", .name = "kv-1", .type = "dataplane"},
                     [this](const Secret& made) {
                       written.push_back(made.reveal());
                       return Status();
                     });
  }

  ManualClock clock{*parse_time("2026-11-24T11:20:00Z")};
  aws::ChainNeeds needs;
  std::vector<std::string> written;
  std::string expires = "2026-11-24T17:20:00Z";
  int asked = 0, keys = 1;
  bool is_down = false;
};

TEST(RoleProof, IsForThisProxyAndThisControlPlaneAndSignedNow) {
  Task task;
  RoleProof proof = task.proof();
  ASSERT_TRUE(proof.sign_at_start(1));
  task.clock.advance(std::chrono::minutes(2));
  ASSERT_TRUE(proof.sign());
  ASSERT_EQ(task.written.size(), 2U);
  const auto first = aws::parse_identity_proof(task.written[0]), second = aws::parse_identity_proof(task.written[1]);
  EXPECT_EQ(second->claims, (aws::ProofClaims{"cp", "default", "kv-1", "dataplane"}));
  EXPECT_EQ(second->signed_at - first->signed_at, std::chrono::minutes(2));
  EXPECT_EQ(task.asked, 1) << "the keys are still good";
}

TEST(RoleProof, TakesNewKeysBeforeTheOldOnesEndAndKeepsTheseWhileThereAreNone) {
  Task task;
  RoleProof proof = task.proof();
  ASSERT_TRUE(proof.sign());
  task.clock.advance(std::chrono::minutes(346));
  task.is_down = true;
  ASSERT_TRUE(proof.sign());
  task.clock.advance(std::chrono::minutes(2));
  task.is_down = false;
  task.keys = 2;
  ASSERT_TRUE(proof.sign());
  EXPECT_EQ(aws::parse_identity_proof(task.written[1])->access_key_id, "ASIAEXAMPLEEXAMPLE01");
  EXPECT_EQ(aws::parse_identity_proof(task.written[2])->access_key_id, "ASIAEXAMPLEEXAMPLE02");
}

TEST(RoleProof, IsSignedAnewSoonerThanUsualWhenTheKeysEndSooner) {
  Task task;
  RoleProof proof = task.proof();
  ASSERT_TRUE(proof.sign());
  EXPECT_EQ(proof.until_next(), RoleProof::kSignEvery);
  task.clock.advance(std::chrono::hours(6) - std::chrono::seconds(60));
  task.expires = "2026-11-24T17:20:30Z";
  ASSERT_TRUE(proof.sign());
  EXPECT_EQ(proof.until_next(), std::chrono::seconds(45));
  task.clock.advance(std::chrono::seconds(88));
  EXPECT_EQ(proof.until_next(), RoleProof::kTryAgainAfter) << "and never without a pause";
}

TEST(RoleProof, SaysAtTheStartThatTheTaskHasNoRole) {
  Task task;
  task.needs.environment =
      aws::Environment{{"ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x"}, {"AWS_REGION", "eu-west-1"}};
  RoleProof proof = task.proof();
  const auto refused = proof.sign_at_start(5);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), testing::HasSubstr("taskRoleArn"));
  EXPECT_EQ(task.asked, 0);
}

}  // namespace
}  // namespace mesh::sidecar
