#include "aws/credentials.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "aws/ecs_metadata.h"
#include "aws/test_aws.h"

namespace mesh::aws {
namespace {

using test::credentials_json;
using test::response;
using test::World;
using testing::ElementsAre;
using testing::HasSubstr;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/aws_test_XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, const std::string& content) const {
    const auto path = path_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return path.string();
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(CredentialChain, TakesTheEnvironmentFirst) {
  World world;
  const auto found = world.load({{"AWS_ACCESS_KEY_ID", "ASIA1"},
                                 {"AWS_SECRET_ACCESS_KEY", "s"},
                                 {"AWS_SESSION_TOKEN", "t"},
                                 {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"}});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->keys.access_key_id, "ASIA1");
  EXPECT_EQ(found->keys.session_token.reveal(), "t");
  EXPECT_THAT(world.network.requests, testing::IsEmpty());
}

TEST(CredentialChain, AsksTheAgentOfEcs) {
  World world;
  world.network.answer = [](const auto&) { return response(200, credentials_json("ASIA2")); };
  const auto found = world.load({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"},
                                 {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://elsewhere/"}});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->keys.access_key_id, "ASIA2");
  EXPECT_EQ(found->role_arn, "arn:aws:iam::123456789012:role/kv");
  EXPECT_EQ(*found->expires, *parse_time("2026-11-24T17:20:00Z"));
  EXPECT_THAT(world.network.urls(), ElementsAre("GET http://169.254.170.2/v2/credentials/x"));
}

TEST(CredentialChain, ShowsTheAgentTheTokenThatItsFileHoldsNow) {
  World world;
  const Folder folder;
  const std::string file = folder.write("token", "first");
  const Environment environment{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:8080/creds"},
                                {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this"},
                                {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file}};
  world.network.answer = [](const auto&) { return response(200, credentials_json("ASIA3")); };
  const auto chain = make_credential_chain(world.needs(environment));
  ASSERT_TRUE(chain->load());
  folder.write("token", "second");
  ASSERT_TRUE(chain->load());
  EXPECT_EQ(world.network.requests[0].headers.find("authorization"), "first");
  EXPECT_EQ(world.network.requests[1].headers.find("authorization"), "second");
  folder.write("token", "third\r\nX: y");
  EXPECT_THAT(chain->load().error().message(), HasSubstr("line break"));
}

TEST(CredentialChain, AsksForKeysOverPlainHttpOnlyOnThisMachine) {
  for (const char* url : {"http://10.0.0.1/x", "http://169.254.170.2.evil/x", "http://127.0.0.1@evil/x",
                          "http://localhost.evil/", "http://127.evil/x", "ftp://x/", "http://169.254.169.254/x"}) {
    World world;
    world.network.answer = [](const auto&) { return response(200, credentials_json("ASIA3")); };
    EXPECT_FALSE(world.load({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}})) << url;
    EXPECT_THAT(world.network.requests, testing::IsEmpty()) << url;
  }
  for (const char* url :
       {"https://agent.example/x", "http://169.254.170.23/x", "http://[fd00:ec2::23]/x", "http://localhost:99/x"}) {
    World world;
    world.network.answer = [](const auto&) { return response(200, credentials_json("ASIA3")); };
    EXPECT_TRUE(world.load({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}})) << url;
  }
}

TEST(CredentialChain, AsksThreeTimesBeforeItGivesUp) {
  World world;
  int asked = 0;
  world.network.answer = [&](const auto&) {
    return ++asked < 3 ? response(500, "") : response(200, credentials_json("ASIA4"));
  };
  EXPECT_TRUE(world.load({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}}));
  asked = -100;
  EXPECT_FALSE(world.load({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}}));
  EXPECT_EQ(asked, -97);
}

TEST(CredentialChain, NeverBecomesTheHostInATaskWithoutARole) {
  World world;
  world.network.answer = [](const auto&) { return response(200, "host-role"); };
  for (const auto& environment : {Environment{{"ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x"}},
                                  Environment{{"AWS_EXECUTION_ENV", "AWS_ECS_EC2"}}}) {
    const auto found = world.load(environment);
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().message(), HasSubstr("taskRoleArn"));
  }
  EXPECT_THAT(world.network.requests, testing::IsEmpty());
}

TEST(CredentialChain, AsksTheInstanceWithASessionElsewhere) {
  World world;
  world.network.answer = [](const wire::ClientRequest& request) {
    if (request.method == "PUT") return response(200, "session");
    EXPECT_EQ(request.headers.find("x-aws-ec2-metadata-token"), "session");
    return response(200, request.url.ends_with("/") ? "host-role" : credentials_json("ASIA5"));
  };
  const auto found = world.load({});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT(world.network.urls(),
              ElementsAre("PUT http://169.254.169.254/latest/api/token",
                          "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/",
                          "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/host-role"));
  world.network.requests.clear();
  EXPECT_FALSE(world.load({{"AWS_EC2_METADATA_DISABLED", "true"}}));
  EXPECT_THAT(world.network.requests, testing::IsEmpty());
}

std::string assumed(const std::string& action, const std::string& key) {
  return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
         "Result><Credentials><AccessKeyId>" + key +
         "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</"
         "SessionToken><Expiration>2026-11-24T12:20:00Z</Expiration></Credentials></" +
         action + "Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></" + action + "Response>";
}

TEST(CredentialChain, AssumesTheRoleOfAProfileWithTheKeysOfItsSource) {
  World world;
  const Folder folder;
  folder.write(".aws/config",
               "[default]\nregion = eu-west-1\n[profile work]\nrole_arn = "
               "arn:aws:iam::123456789012:role/work\nsource_profile = base\nexternal_id=x1\n");
  folder.write(".aws/credentials", "# keys\n[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = s3\n");
  world.network.answer = [](const auto&) { return response(200, assumed("AssumeRole", "ASIA6")); };
  const auto found = world.load({{"HOME", folder.path()}, {"AWS_PROFILE", "work"}, {"AWS_REGION", "eu-west-3"}});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->keys.access_key_id, "ASIA6");
  const auto& request = world.network.requests.at(0);
  EXPECT_EQ(request.url, "https://sts.eu-west-3.amazonaws.com/");
  EXPECT_EQ(request.body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fwork&"
            "RoleSessionName=taskmesh&"
            "DurationSeconds=3600&ExternalId=x1");
  EXPECT_THAT(std::string(*request.headers.find("authorization")),
              HasSubstr("Credential=AKIABASE/20261124/eu-west-3/sts/"));
}

TEST(CredentialChain, SaysWhatIsWrongWithAProfile) {
  World world;
  const Folder folder;
  folder.write(".aws/config",
               "[profile a]\nrole_arn = arn:aws:iam::123456789012:role/a\nsource_profile = b\n[profile b]\nrole_arn = "
               "arn:aws:iam::123456789012:role/b\n"
               "source_profile = a\n[profile sso]\nsso_session = x\n");
  const std::string home = folder.path();
  EXPECT_THAT(world.load({{"HOME", home}, {"AWS_PROFILE", "a"}}).error().message(), HasSubstr("again and again"));
  EXPECT_THAT(world.load({{"HOME", home}, {"AWS_PROFILE", "sso"}}).error().message(), HasSubstr("sso_session"));
  EXPECT_THAT(world.load({{"HOME", home}, {"AWS_PROFILE", "none"}}).error().message(), HasSubstr("does not exist"));
}

TEST(CredentialChain, ExchangesAWebIdentityWithoutASignature) {
  World world;
  const Folder folder;
  const std::string token = folder.write("jwt", "ey.J.h");
  world.network.answer = [](const auto&) { return response(200, assumed("AssumeRoleWithWebIdentity", "ASIA7")); };
  const auto found = world.load({{"AWS_WEB_IDENTITY_TOKEN_FILE", token},
                                 {"AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/w"},
                                 {"AWS_REGION", "eu-west-1"}});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->keys.access_key_id, "ASIA7");
  EXPECT_FALSE(world.network.requests[0].headers.find("authorization"));
  EXPECT_THAT(world.network.requests[0].body, HasSubstr("WebIdentityToken=ey.J.h"));
}

// Gives keys 1, 2, 3 … that live for six hours; or an error.
struct CountingSource final : CredentialSource {
  CountingSource(const Clock& clock_in, int& loads_in, bool& is_down_in)
      : clock(clock_in), loads(loads_in), is_down(is_down_in) {}
  Result<Credentials> load() override {
    ++loads;
    if (is_down) return error(ErrorKind::Unavailable, "the agent is down");
    return Credentials{.keys = {std::to_string(loads), Secret("s"), Secret("t")},
                       .expires = clock.now() + std::chrono::hours(6),
                       .source = "",
                       .role_arn = ""};
  }
  const Clock& clock;
  int& loads;
  bool& is_down;
};

TEST(CredentialCache, RenewsAQuarterOfAnHourBeforeTheEnd) {
  World world;
  int loads = 0;
  bool is_down = false;
  CredentialCache cache(std::make_unique<CountingSource>(world.clock, loads, is_down), world.clock);
  EXPECT_EQ(cache.get()->keys.access_key_id, "1");
  world.clock.advance(std::chrono::minutes(344));
  EXPECT_EQ(cache.get()->keys.access_key_id, "1");
  world.clock.advance(std::chrono::minutes(2));
  EXPECT_EQ(cache.get()->keys.access_key_id, "2");
}

TEST(CredentialCache, KeepsTheOldKeysWhileTheNewOnesCannotBeHad) {
  World world;
  int loads = 0;
  bool is_down = false;
  CredentialCache cache(std::make_unique<CountingSource>(world.clock, loads, is_down), world.clock);
  ASSERT_TRUE(cache.get());
  is_down = true;
  world.clock.advance(std::chrono::minutes(346));
  EXPECT_TRUE(cache.get());
  EXPECT_TRUE(cache.get());
  EXPECT_EQ(loads, 2) << "half a minute passes between two tries";
  world.clock.advance(std::chrono::minutes(5));
  EXPECT_TRUE(cache.get());
  EXPECT_TRUE(cache.get());
  EXPECT_EQ(loads, 4) << "but near the end each call tries";
  world.clock.advance(std::chrono::minutes(10));
  EXPECT_FALSE(cache.get());
}

TEST(OwnRegion, IsThatOfTheTaskWhenNothingElseSaysIt) {
  World world;
  world.network.answer = [](const auto&) {
    return response(
        200,
        R"({"TaskARN":"arn:aws:ecs:eu-north-1:123456789012:task/c/1","Containers":[{"Networks":[{"IPv4Addresses":["10.0.0.7"]}]}]})");
  };
  const Environment task{{"ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/abc"}};
  EXPECT_EQ((*find_own_region(world.needs(task)))->name, "eu-north-1");
  EXPECT_THAT(world.network.urls(), ElementsAre("GET http://169.254.170.2/v4/abc/task"));
  EXPECT_EQ(fetch_task_metadata(world.needs(task))->address, "10.0.0.7");
  EXPECT_EQ((*find_own_region(world.needs({{"AWS_REGION", "us-gov-west-1"}})))->partition, "aws-us-gov");
  EXPECT_THAT(find_own_region(world.needs({{"AWS_REGION", "eu-west-1.evil"}})).error().message(),
              HasSubstr("AWS_REGION"));
}

}  // namespace
}  // namespace mesh::aws
