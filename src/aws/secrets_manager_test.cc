#include "aws/secrets_manager.h"

#include <gmock/gmock.h>

#include "aws/test_aws.h"

namespace mesh::aws {
namespace {

using test::response;
using test::World;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kArn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mesh/tls-AbCdEf";
const std::string kType = "application/x-amz-json-1.1";

SecretsManager manager(World& world, const Environment& environment = {}) {
  return SecretsManager(world.needs(environment).caller,
                        [] { return Result<KeyPair>(KeyPair{"ASIAEXAMPLE", Secret("secret"), Secret("session")}); });
}

TEST(SecretsManager, ReadsTheValueOfASecret) {
  World world;
  world.network.answer = [](const wire::ClientRequest&) -> Result<wire::Response> {
    return response(200, R"({"ARN":")" + kArn + R"(","SecretString":"hello","VersionId":"v1"})", kType);
  };
  const auto value = manager(world).get(kArn);
  ASSERT_TRUE(value) << value.error().message();
  EXPECT_EQ(value->text.reveal(), "hello");
  EXPECT_EQ(value->version, "v1");
  const auto& request = world.network.requests.at(0);
  EXPECT_THAT(world.network.urls(), ElementsAre("POST https://secretsmanager.eu-west-1.amazonaws.com/"));
  EXPECT_EQ(request.headers.find("x-amz-target"), "secretsmanager.GetSecretValue");
  EXPECT_THAT(*request.headers.find("authorization"),
              StartsWith("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261124/eu-west-1/secretsmanager/aws4_request"));
  EXPECT_EQ(request.body, R"({"SecretId":")" + kArn + "\"}");
}

TEST(SecretsManager, PutsAValueUnderTheNameOfItsVersion) {
  World world;
  world.network.answer = [](const wire::ClientRequest&) -> Result<wire::Response> {
    return response(200, "{}", kType);
  };
  ASSERT_TRUE(manager(world).put(kArn, Secret("a \"word\""), "version-1"));
  EXPECT_EQ(world.network.requests.at(0).body,
            R"({"SecretId":")" + kArn + R"(","ClientRequestToken":"version-1","SecretString":"a \"word\""})");
}

TEST(SecretsManager, AsksInTheRegionAndPartitionOfTheSecret) {
  World world;
  (void)manager(world).get("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x");
  (void)manager(world, {{"AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://vpce.example"}}).get(kArn);
  EXPECT_THAT(world.network.urls(),
              ElementsAre("POST https://secretsmanager.cn-north-1.amazonaws.com.cn/", "POST https://vpce.example/"));
}

TEST(SecretsManager, IsNotAskedForWhatIsNoSecret) {
  World world;
  for (const std::string wrong :
       {"mesh/tls", "arn:aws:s3:eu-west-1:1:secret:x", "arn:aws:secretsmanager:evil.example/:1:secret:x",
        "arn:aws-cn:secretsmanager:eu-west-1:1:secret:x"}) {
    EXPECT_EQ(manager(world).get(wrong).error().kind, ErrorKind::Invalid) << wrong;
  }
  EXPECT_THAT(world.network.requests, testing::IsEmpty());
}

TEST(SecretsManager, TellsWhatTheCallerCanDo) {
  World world;
  const auto refused = [&](int status, const std::string& type) {
    world.network.answer = [=](const wire::ClientRequest&) -> Result<wire::Response> {
      return response(status, R"({"__type":")" + type + R"(","Message":"the value hunter2 is"})", kType);
    };
    return manager(world).put(kArn, Secret("hunter2"), "version-1").error();
  };
  EXPECT_EQ(refused(400, "ResourceExistsException").kind, ErrorKind::Conflict);
  EXPECT_EQ(refused(400, "com.amazonaws.secretsmanager#ResourceNotFoundException").kind, ErrorKind::NotFound);
  EXPECT_EQ(refused(400, "AccessDeniedException").kind, ErrorKind::Denied);
  EXPECT_EQ(refused(400, "ExpiredTokenException").kind, ErrorKind::Unauthenticated);
  EXPECT_EQ(refused(400, "ThrottlingException").kind, ErrorKind::Unavailable);
  EXPECT_EQ(refused(500, "InternalServiceError").kind, ErrorKind::Unavailable);
  EXPECT_THAT(refused(400, "InvalidRequestException").message(), Not(HasSubstr("hunter2")));
}

TEST(SecretsManager, TrustsNoAnswerThatIsNotAboutTheSecret) {
  World world;
  for (const std::string body :
       {"", "[]", R"({"SecretString":"x","VersionId":"v"})", R"({"ARN":"other","SecretString":"x"})"}) {
    world.network.answer = [=](const wire::ClientRequest&) -> Result<wire::Response> {
      return response(200, body, kType);
    };
    EXPECT_EQ(manager(world).get(kArn).error().kind, ErrorKind::Unavailable) << body;
  }
  world.network.answer = [](const wire::ClientRequest&) -> Result<wire::Response> {
    return response(200, R"({"ARN":")" + kArn + R"(","SecretBinary":"eA=="})", kType);
  };
  EXPECT_EQ(manager(world).get(kArn).error().kind, ErrorKind::NotFound);
}

TEST(SecretsManager, WhoReadTheSameValueNamesTheNextAlike) {
  EXPECT_EQ(version_after("v1"), version_after("v1"));
  EXPECT_NE(version_after("v1"), version_after("v2"));
  EXPECT_EQ(version_after("").size(), 64);  // AWS wants 32 to 64
}

}  // namespace
}  // namespace mesh::aws
