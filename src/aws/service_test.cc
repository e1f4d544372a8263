#include "aws/service.h"

#include <gmock/gmock.h>

#include "aws/iam.h"
#include "aws/sts.h"
#include "aws/test_aws.h"

namespace mesh::aws {
namespace {

using test::response;
using test::World;
using testing::HasSubstr;
using testing::Not;

const std::string kIdentity =
    "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"
    "<Arn>arn:aws:sts::123456789012:assumed-role/kv/task-1</Arn><UserId>AROAEXAMPLE:task-1</"
    "UserId><Account>123456789012</Account>"
    "</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></"
    "GetCallerIdentityResponse>";

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

Result<CallerIdentity> identity_in(const wire::Response& answer) {
  MESH_TRY(const XmlElement root, read_query_answer("STS", answer));
  return read_caller_identity(root);
}

TEST(CallerIdentity, ComesFromItsPlaceInTheAnswer) {
  const auto identity = identity_in(response(200, kIdentity));
  ASSERT_TRUE(identity) << identity.error().message();
  EXPECT_EQ(identity->arn, "arn:aws:sts::123456789012:assumed-role/kv/task-1");
  EXPECT_EQ(identity->user_id, "AROAEXAMPLE:task-1");
  EXPECT_EQ(identity->account, "123456789012");
}

TEST(CallerIdentity, IsNotFoundInAnythingElse) {
  EXPECT_FALSE(identity_in(response(200, kIdentity, "application/json")));
  EXPECT_FALSE(identity_in(response(200, R"({"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":"x"}}})")));
  EXPECT_FALSE(identity_in(response(200, "<html><body>Sign in</body></html>", "text/html")));
  EXPECT_FALSE(identity_in(response(200, "junk" + kIdentity)));
  EXPECT_FALSE(identity_in(response(200, kIdentity + kIdentity)));
  EXPECT_FALSE(identity_in(response(200, "<!DOCTYPE x [<!ENTITY a \"b\">]>" + kIdentity)));
  EXPECT_FALSE(identity_in(response(201, kIdentity)));
  EXPECT_FALSE(identity_in(response(302, "")));
  EXPECT_FALSE(
      identity_in(response(200, replaced(kIdentity, "<RequestId>1", "<RequestId>" + std::string(300'000, '1')))))
      << "too large";
  EXPECT_FALSE(identity_in(response(200, "<!DOCTYPE b [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><x>&b;</x>")))
      << "a bomb";
  EXPECT_FALSE(
      identity_in(response(200, replaced(kIdentity, "https://sts.amazonaws.com/doc/2011-06-15/", "https://evil/"))));
  // Another action whose answer somebody may write into (that was CVE-2020-16250).
  EXPECT_FALSE(identity_in(
      response(200, "<DecodeAuthorizationMessageResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">" +
                        kIdentity + "</DecodeAuthorizationMessageResponse>")));
  const std::string result =
      kIdentity.substr(kIdentity.find("<GetCallerIdentityResult>"),
                       kIdentity.find("<ResponseMetadata>") - kIdentity.find("<GetCallerIdentityResult>"));
  EXPECT_FALSE(identity_in(response(200, replaced(kIdentity, "<ResponseMetadata>", result + "<ResponseMetadata>"))));
  EXPECT_FALSE(identity_in(response(200, replaced(kIdentity, "<ResponseMetadata>", "<Arn>x</Arn><ResponseMetadata>"))));
  EXPECT_FALSE(identity_in(response(200, replaced(kIdentity, "<UserId>", "<Arn>x</Arn><UserId>"))));
  EXPECT_FALSE(identity_in(response(200, replaced(kIdentity, "<Arn>arn:", "<Arn><Arn>x</Arn></Arn><X>arn:"))));
}

TEST(Call, TellsWhatTheCallerCanDoAndNeverWhatAwsQuotes) {
  const auto refused = [](int status, const std::string& code) {
    return read_query_answer(
               "STS", response(status, "<ErrorResponse><Error><Type>Sender</Type><Code>" + code +
                                           "</Code><Message>the token SECRET is</Message></Error></ErrorResponse>"))
        .error();
  };
  EXPECT_EQ(refused(403, "ExpiredToken").kind, ErrorKind::Unauthenticated);
  EXPECT_EQ(refused(403, "SignatureDoesNotMatch").kind, ErrorKind::Unauthenticated);
  EXPECT_EQ(refused(403, "AccessDenied").kind, ErrorKind::Denied);
  EXPECT_EQ(refused(404, "NoSuchEntity").kind, ErrorKind::NotFound);
  EXPECT_EQ(refused(400, "Throttling").kind, ErrorKind::Unavailable);
  EXPECT_EQ(refused(503, "ServiceUnavailable").kind, ErrorKind::Unavailable);
  EXPECT_THAT(refused(403, "ExpiredToken").message(), HasSubstr("ExpiredToken"));
  EXPECT_THAT(refused(403, "ExpiredToken").message(), Not(HasSubstr("SECRET")));
  EXPECT_THAT(refused(403, "SECRET SECRET").message(), Not(HasSubstr("SECRET")));
}

TEST(Addresses, AreReplacedOneByOneOrAllTogether) {
  const auto addresses = Addresses::from(
      {{"AWS_ENDPOINT_URL", "https://vpce.example/"}, {"AWS_ENDPOINT_URL_STS", "http://127.0.0.1:5000"}});
  ASSERT_TRUE(addresses);
  EXPECT_EQ(addresses->url_of("STS", "sts.eu-west-1.amazonaws.com"), "http://127.0.0.1:5000");
  EXPECT_EQ(addresses->url_of("IAM", "iam.amazonaws.com"), "https://vpce.example");
  EXPECT_EQ(Addresses::from({})->url_of("IAM", "iam.amazonaws.com"), "https://iam.amazonaws.com");
  for (const char* variable :
       {"AWS_ENDPOINT_URL_ROUTE_53", "AWS_ENDPOINT_URL_ROUTE53"})  // AWS's own name and the other
    EXPECT_EQ(Addresses::from({{variable, "https://vpce.example"}})->url_of("ROUTE_53", "route53.amazonaws.com"),
              "https://vpce.example");
}

TEST(Addresses, AreNotPlainHttpToOtherMachines) {
  for (const char* url : {"http://sts.eu-west-1.amazonaws.com", "http://10.0.0.1", "http://127.0.0.1@evil",
                          "http://localhost.evil", "ftp://x", "sts"}) {
    EXPECT_FALSE(Addresses::from({{"AWS_ENDPOINT_URL_STS", url}})) << url;
  }
}

TEST(GetRole, IsSignedForTheOneRegionOfIamAndGivesTheTags) {
  World world;
  world.network.answer = [](const auto&) {
    return response(
        200,
        "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role><Path>/</Path>"
        "<Arn>arn:aws:iam::123456789012:role/kv</Arn><RoleName>kv</RoleName><RoleId>AROAEXAMPLE</RoleId>"
        "<Tags><member><Key>kuma.io/type</Key><Value>dataplane</Value></member></Tags></Role></GetRoleResult></"
        "GetRoleResponse>");
  };
  const auto needs = world.needs({});
  const auto role = get_role(needs.caller, "aws", {"ASIA", Secret("s"), Secret("t")}, "kv");
  ASSERT_TRUE(role) << role.error().message();
  EXPECT_EQ(role->id, "AROAEXAMPLE");
  EXPECT_THAT(role->tags, testing::ElementsAre(testing::Pair("kuma.io/type", "dataplane")));
  EXPECT_EQ(world.network.requests[0].url, "https://iam.amazonaws.com/");
  EXPECT_THAT(std::string(*world.network.requests[0].headers.find("authorization")), HasSubstr("/us-east-1/iam/"));
}

TEST(Call, AsksForNoMoreThanItCanTrustAndForNoLongerThanItMayTake) {
  World world;
  auto needs = world.needs({});
  needs.caller.timeout = std::chrono::seconds(3);
  EXPECT_FALSE(get_role(needs.caller, "aws", {"ASIA", Secret("s"), Secret("t")}, "kv"));
  ASSERT_EQ(world.network.requests.size(), 1U);
  EXPECT_EQ(world.network.requests[0].timeout, std::chrono::seconds(3));
  EXPECT_EQ(world.network.requests[0].max_response_bytes, 256UL << 10);
}

TEST(CallCounters, TellHowCallsEndedAndHowLongTheyTook) {
  World world;
  auto needs = world.needs({});
  needs.caller.counters = std::make_shared<CallCounters>();
  const auto ask = [&](int status, const std::string& code, Duration takes) {
    world.network.answer = [&, status, code, takes](const auto&) {
      world.clock.advance(takes);
      return response(status, "<ErrorResponse><Error><Code>" + code + "</Code></Error></ErrorResponse>");
    };
    EXPECT_FALSE(get_role(needs.caller, "aws", {"ASIA", Secret("s"), Secret("t")}, "kv"));
  };
  ask(400, "Throttling", std::chrono::milliseconds(200));
  ask(403, "AccessDenied", std::chrono::milliseconds(20));
  ask(503, "", std::chrono::seconds(6));
  const auto operations = needs.caller.counters->operations();
  ASSERT_EQ(operations.size(), 1U);
  EXPECT_EQ(operations[0].name, "GetRole");
  EXPECT_THAT(operations[0].results, testing::ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(operations[0].slots, testing::ElementsAre(1, 0, 1, 0, 0, 0, 0, 1));
  EXPECT_NEAR(operations[0].seconds, 6.22, 0.001);
}

TEST(Endpoints, AreThoseOfTheTable) {
  EXPECT_EQ(sts_endpoint(*find_region("eu-west-1"), StsEndpoint::Regional)->host, "sts.eu-west-1.amazonaws.com");
  EXPECT_EQ(sts_endpoint(*find_region("cn-north-1"), StsEndpoint::Regional)->host, "sts.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(sts_endpoint(*find_region("us-gov-west-1"), StsEndpoint::Fips)->host, "sts.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(sts_endpoint(*find_region("us-east-2"), StsEndpoint::Fips)->host, "sts-fips.us-east-2.amazonaws.com");
  EXPECT_EQ(sts_endpoint(*find_region("eu-west-1"), StsEndpoint::Global)->signing_region, "us-east-1");
  EXPECT_FALSE(sts_endpoint(*find_region("cn-north-1"), StsEndpoint::Global));
  EXPECT_FALSE(sts_endpoint(*find_region("eu-west-1"), StsEndpoint::Fips));
  for (const char* region :
       {"", "x.amazonaws.com.evil", "eu-west-1@evil", "EU-WEST-1", "eu-west-1 ", "eu-west-1/", "../x"}) {
    EXPECT_EQ(find_region(region), nullptr) << region;
  }
}

}  // namespace
}  // namespace mesh::aws
