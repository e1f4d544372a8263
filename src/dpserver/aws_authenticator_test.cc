#include "dpserver/aws_authenticator.h"

#include <gmock/gmock.h>

#include "dpserver/live_streams.h"
#include "dpserver/test_house.h"

namespace mesh {
namespace {

using test::dataplane_json;
using test::House;
using test::node;
using testing::ElementsAre;
using testing::HasSubstr;

wire::Response xml(std::string body) {
  wire::Response out{.status = 200, .headers = {}, .body = std::move(body)};
  out.headers.add("content-type", "text/xml");
  return out;
}

// A house whose door asks AWS, where the role "kv" has these tags.
struct Door {
  Door() {
    needs.environment = aws::Environment{{"AWS_ACCESS_KEY_ID", "AKIACP"}, {"AWS_SECRET_ACCESS_KEY", "s"}};
    needs.caller.clock = &house.clock;
    needs.caller.fetch = [this](const wire::ClientRequest& request) -> Result<wire::Response> {
      if (is_down) return error(ErrorKind::Unavailable, "connection refused");
      if (request.body.contains("GetCallerIdentity")) {
        return xml(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"
            "<Arn>arn:aws:sts::123456789012:assumed-role/kv/t</Arn><UserId>AROAKV:t</UserId><Account>123456789012</"
            "Account>"
            "</GetCallerIdentityResult></GetCallerIdentityResponse>");
      }
      std::string list;
      for (const auto& [key, value] : tags)
        list += "<member><Key>" + key + "</Key><Value>" + value + "</Value></member>";
      return xml(
          "<GetRoleResponse "
          "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/"
          "\"><GetRoleResult><Role><Arn>arn:aws:iam::123456789012:role/kv</Arn>"
          "<RoleName>kv</RoleName><RoleId>AROAKV</RoleId><Tags>" +
          list + "</Tags></Role></GetRoleResult></GetRoleResponse>");
    };
    authenticator = std::make_unique<AwsAuthenticator>(AwsAuthoritySettings{.accounts = {"123456789012"}, .roles = {}},
                                                       needs, [] { return std::set<std::string>{"cp"}; });
    gatekeeper = std::make_unique<Gatekeeper>(*authenticator, house.store, house.admission, house.kinds);
  }
  wire::Headers proof(const std::string& name) {
    const auto made = aws::make_identity_proof(
        {"cp", "default", name, "dataplane"}, {"ASIAEXAMPLEEXAMPLE00", Secret("s"), Secret("t")},
        *aws::find_region("eu-west-1"), aws::StsEndpoint::Regional, house.clock.now());
    return test::with_token(*made);
  }
  std::string let_in(const std::string& name, const std::string& service) {
    const Status status = gatekeeper->let_in(node(name, dataplane_json(name, service)), proof(name), "10.0.0.9");
    return status ? "in" : status.error().message();
  }
  Status recheck(const std::string& name) {
    return authenticator->recheck(*gatekeeper->find_resource({"default", name}));
  }

  House house;
  aws::ChainNeeds needs;
  RoleTags tags = {{"kuma.io/type", "dataplane"}, {"kuma.io/mesh", "default"}, {"kuma.io/service", "kv"}};
  bool is_down = false;
  std::unique_ptr<AwsAuthenticator> authenticator;
  std::unique_ptr<Gatekeeper> gatekeeper;
};

TEST(AwsAuthenticator, LetsAProxyBeWhatTheTagsOfItsRoleSay) {
  Door door;
  EXPECT_EQ(door.let_in("kv-1", "kv"), "in");
  EXPECT_THAT(door.let_in("kv-2", "db"), HasSubstr("claims service \"db\""));
  EXPECT_THAT(door.gatekeeper->let_in(node("kv-3", dataplane_json("kv-3", "kv")), door.proof("kv-1")).error().message(),
              HasSubstr("\"kv-1\""));
  EXPECT_THAT(door.gatekeeper->let_in(node("kv-3", dataplane_json("kv-3", "kv")), {}).error().message(),
              HasSubstr("--auth-type=aws"));
}

TEST(AwsAuthenticator, LetsZoneProxiesInByARoleOfTheirTypeAlone) {
  Door door;
  const std::string document =
      R"({"type":"ZoneIngress","name":"in-1","networking":{"address":"10.0.0.5","port":10001}})";
  ProxyNode ingress = node("in-1", document, "");
  ingress.id.type = ProxyRole::Ingress;
  const auto let_in = [&](const std::string& type, const std::string& mesh) {
    const auto proof =
        aws::make_identity_proof({"cp", mesh, "in-1", type}, {"ASIAEXAMPLEEXAMPLE00", Secret("s"), Secret("t")},
                                 *aws::find_region("eu-west-1"), aws::StsEndpoint::Regional, door.house.clock.now());
    const Status status = door.gatekeeper->let_in(ingress, test::with_token(*proof), "10.0.0.9");
    return status ? std::string("in") : status.error().message();
  };
  EXPECT_THAT(let_in("ingress", ""), HasSubstr("kuma.io/type is \"dataplane\", must be \"ingress\""));
  door.tags = {{"kuma.io/type", "ingress"}};
  door.house.clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(let_in("ingress", ""), "in");
  EXPECT_NE(let_in("egress", ""), "in");
  EXPECT_NE(let_in("dataplane", "default"), "in");
  EXPECT_TRUE(door.authenticator->recheck(*door.gatekeeper->find_resource(ingress.id)));
  EXPECT_THAT(door.let_in("kv-1", "kv"), HasSubstr("must be \"dataplane\""));
}

TEST(AwsAuthenticator, TakesNoDataplaneToken) {
  Door door;
  const auto token = door.house.token({.name = {}, .mesh = "default", .tags = {}, .type = {}, .workload = {}});
  const Status status = door.gatekeeper->let_in(node("kv-1", dataplane_json("kv-1", "kv")), test::with_token(token));
  EXPECT_EQ(status.error().kind, ErrorKind::Unauthenticated);
  EXPECT_THAT(status.error().message(), HasSubstr("such as a dataplane token"));
}

TEST(TokenAuthenticator, TakesNoProofOfARole) {
  Door door;
  const TokenAuthenticator tokens(door.house.secrets, door.house.clock);
  const Gatekeeper gatekeeper(tokens, door.house.store, door.house.admission, door.house.kinds);
  EXPECT_EQ(gatekeeper.let_in(node("kv-1", dataplane_json("kv-1", "kv")), door.proof("kv-1")).error().kind,
            ErrorKind::Unauthenticated);
}

TEST(AwsAuthenticator, DoesNotLetARoleTakeOverTheNameOfAnotherService) {
  Door door;
  door.tags["kuma.io/service"] = "db";
  ASSERT_EQ(door.let_in("one", "db"), "in");
  door.tags["kuma.io/service"] = "kv";
  door.house.clock.advance(std::chrono::minutes(2));
  EXPECT_THAT(door.let_in("one", "kv"), HasSubstr("replacing a Dataplane"));
}

TEST(AwsAuthenticator, SendsAwayAProxyWhoseRoleLostItsTags) {
  Door door;
  ASSERT_EQ(door.let_in("kv-1", "kv"), "in");
  EXPECT_TRUE(door.recheck("kv-1"));
  door.tags.erase("kuma.io/mesh");
  door.house.clock.advance(std::chrono::seconds(51));
  EXPECT_EQ(door.recheck("kv-1").error().kind, ErrorKind::Denied);
}

TEST(AwsAuthenticator, SendsAwayAProxyThatBecameSomethingElse) {
  Door door;
  ASSERT_EQ(door.let_in("kv-1", "kv"), "in");
  auto changed = door.gatekeeper->read_resource(dataplane_json("kv-1", "db"), {"default", "kv-1"});
  ASSERT_TRUE(changed);
  EXPECT_EQ(door.authenticator->recheck(*changed).error().kind, ErrorKind::Denied);
}

TEST(AwsAuthenticator, KeepsAProxyWhileAwsIsDown) {
  Door door;
  ASSERT_EQ(door.let_in("kv-1", "kv"), "in");
  door.is_down = true;
  door.house.clock.advance(std::chrono::hours(1));
  EXPECT_TRUE(door.recheck("kv-1"));
}

TEST(AwsAuthenticator, ForgetsWhoIsNotConnected) {
  Door door;
  ASSERT_EQ(door.let_in("kv-1", "kv"), "in");
  ASSERT_EQ(door.let_in("kv-2", "kv"), "in");
  door.authenticator->keep_only({});
  EXPECT_TRUE(door.recheck("kv-1")) << "it may be about to open its stream";
  door.house.clock.advance(std::chrono::minutes(3));
  door.authenticator->keep_only({{"default", "kv-2"}});
  EXPECT_FALSE(door.recheck("kv-1"));
  EXPECT_TRUE(door.recheck("kv-2"));
}

TEST(LiveStreams, AreEndedByProxy) {
  LiveStreams live;
  std::vector<std::string> ended;
  const auto note = [&](const char* name) {
    return [&ended, name](const wire::GrpcStatus& status) { ended.push_back(name + status.message); };
  };
  live.add({"default", "a"}, note("a1"));
  const auto gone = live.add({"default", "a"}, note("a2"));
  live.add({"default", "a"}, note("a3"));
  live.add({"default", "b"}, note("b1"));
  live.remove({"default", "a"}, gone);
  EXPECT_THAT(live.proxies(), testing::SizeIs(2));
  live.end_all({"default", "a"}, {7, "!"});
  EXPECT_THAT(ended, ElementsAre("a1!", "a3!"));
}

}  // namespace
}  // namespace mesh
