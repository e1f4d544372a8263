// Each way to come in, and each way to cheat.
#include "dpserver/gatekeeper.h"

#include "base/encoding.h"
#include "dpserver/test_house.h"
#include "model/dataplane.h"
#include "model/secret.h"

namespace mesh {
namespace {

using test::dataplane_json;
using test::node;
using test::with_token;
using testing::HasSubstr;
using testing::Not;

class GatekeeperTest : public testing::Test {
 protected:
  Status let_in(const ProxyNode& who, const wire::Headers& headers) { return gatekeeper.let_in(who, headers); }
  static ErrorKind kind_of(const Status& status) { return status ? ErrorKind::Internal : status.error().kind; }
  static std::string text_of(const Status& status) { return status ? "let in" : status.error().message(); }
  bool is_stored(const std::string& name, const std::string& mesh = "default") {
    return house.store.get({&kDataplaneKind, mesh, name}).has_value();
  }
  static std::map<std::string, std::set<std::string>> service(const std::string& name) {
    return {{"kuma.io/service", {name}}};
  }

  test::House house;
  TokenAuthenticator authenticator{house.secrets, house.clock};
  Gatekeeper gatekeeper{authenticator, house.store, house.admission, house.kinds};
};

TEST_F(GatekeeperTest, AProxyRegistersTheDataplaneThatItBrings) {
  const auto status = let_in(node("web-1", dataplane_json("web-1", "web")), with_token(house.token({})));
  EXPECT_EQ(text_of(status), "let in");
  const auto stored = house.store.get({&kDataplaneKind, "default", "web-1"});
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->spec_as<Dataplane>().networking.inbound.at(0).service(), "web");
}

TEST_F(GatekeeperTest, ItMayComeBackAtOnceAndChangeItsDataplane) {
  const auto headers = with_token(house.token({}));
  EXPECT_TRUE(let_in(node("web-1", dataplane_json("web-1", "web")), headers));
  EXPECT_TRUE(let_in(node("web-1", dataplane_json("web-1", "web")), headers));
  EXPECT_TRUE(let_in(node("web-1", dataplane_json("web-1", "web2")), headers));
}

TEST_F(GatekeeperTest, TheTokenMayHaveBearerBeforeIt) {
  for (const char* prefix : {"", "Bearer ", "bearer ", "  Bearer   "}) {
    EXPECT_EQ(text_of(let_in(node("web-1", dataplane_json("web-1", "web")), with_token(house.token({}), prefix))),
              "let in");
  }
}

TEST_F(GatekeeperTest, AProxyThatBringsNothingMustBeKnown) {
  const auto headers = with_token(house.token({}));
  EXPECT_EQ(kind_of(let_in(node("web-1"), headers)), ErrorKind::NotFound);
  EXPECT_TRUE(let_in(node("web-1", dataplane_json("web-1", "web")), headers));
  EXPECT_TRUE(let_in(node("web-1"), headers));
}

TEST_F(GatekeeperTest, ADataplaneOfAMeshThatIsNotThereIsNotFound) {
  NoAuthenticator none;
  Gatekeeper open(none, house.store, house.admission, house.kinds);
  EXPECT_EQ(kind_of(open.let_in(node("web-1", dataplane_json("web-1", "web", "other"), "other"), {})),
            ErrorKind::NotFound);
}

TEST_F(GatekeeperTest, WithoutAuthenticationEverybodyIsLetIn) {
  NoAuthenticator none;
  Gatekeeper open(none, house.store, house.admission, house.kinds);
  EXPECT_TRUE(open.let_in(node("web-1", dataplane_json("web-1", "web")), {}));
}

TEST_F(GatekeeperTest, WhatIsNotADataplaneIsRefused) {
  const auto headers = with_token(house.token({}));
  for (const std::string bad : {"{", "[]", "42", R"({"type":"Mesh","name":"web-1"})",
                                R"({"type":"Dataplane","name":"web-1","mesh":"default"})"}) {
    EXPECT_EQ(kind_of(let_in(node("web-1", bad), headers)), ErrorKind::Invalid) << bad;
  }
  EXPECT_FALSE(is_stored("web-1"));
}

TEST_F(GatekeeperTest, ADataplaneOfAnotherNameOrMeshIsRefused) {
  const auto headers = with_token(house.token({}));
  EXPECT_EQ(kind_of(let_in(node("web-1", dataplane_json("web-2", "web")), headers)), ErrorKind::Invalid);
  EXPECT_EQ(kind_of(let_in(node("web-1", dataplane_json("web-1", "web", "other")), headers)), ErrorKind::Invalid);
  EXPECT_FALSE(is_stored("web-2"));
}

struct Cheat {
  const char* name;
  std::function<wire::Headers(test::House&)> headers;
  ErrorKind kind;
};

std::string part(const std::string& json) { return base64url_encode(json); }

// A token whose head is replaced; signed by nothing that anybody has.
std::string with_head(const std::string& token, const std::string& head, const std::string& signature) {
  const auto first = token.find('.'), second = token.rfind('.');
  return part(head) + token.substr(first, second - first + 1) + signature;
}

class Cheats : public GatekeeperTest, public testing::WithParamInterface<Cheat> {};

TEST_P(Cheats, AreNotLetInAndLeaveNothingBehind) {
  const auto headers = GetParam().headers(house);
  const auto status = let_in(node("web-1", dataplane_json("web-1", "web")), headers);
  EXPECT_EQ(kind_of(status), GetParam().kind) << text_of(status);
  EXPECT_FALSE(is_stored("web-1"));
  if (const auto sent = headers.find("authorization"); sent && sent->size() > 20) {
    EXPECT_THAT(text_of(status), Not(HasSubstr(std::string(sent->substr(0, 20))))) << "the token is in the message";
  }
}

const Cheat kCheats[] = {
    {"NoToken", [](test::House&) { return wire::Headers(); }, ErrorKind::Unauthenticated},
    {"EmptyToken", [](test::House&) { return with_token(Secret("")); }, ErrorKind::Unauthenticated},
    {"Garbage", [](test::House&) { return with_token(Secret("not.a.token")); }, ErrorKind::Unauthenticated},
    {"TwoTokens",
     [](test::House& house) {
       auto headers = with_token(house.token({}));
       headers.add("Authorization", house.token({}).reveal());
       return headers;
     },
     ErrorKind::Unauthenticated},
    {"Expired",
     [](test::House& house) {
       const auto token = house.token({}, std::chrono::minutes(5));
       house.clock.advance(std::chrono::hours(1));
       return with_token(token);
     },
     ErrorKind::Unauthenticated},
    {"OtherName",
     [](test::House& house) {
       return with_token(house.token({.name = "web-2", .mesh = "", .tags = {}, .type = "", .workload = ""}));
     },
     ErrorKind::Denied},
    {"OtherService",
     [](test::House& house) {
       return with_token(
           house.token({.name = "", .mesh = "", .tags = {{"kuma.io/service", {"db"}}}, .type = "", .workload = ""}));
     },
     ErrorKind::Denied},
    {"ATagThatTheProxyLacks",
     [](test::House& house) {
       return with_token(
           house.token({.name = "", .mesh = "", .tags = {{"team", {"red"}}}, .type = "", .workload = ""}));
     },
     ErrorKind::Denied},
    {"OtherWorkload",
     [](test::House& house) {
       return with_token(house.token({.name = "", .mesh = "", .tags = {}, .type = "", .workload = "batch"}));
     },
     ErrorKind::Denied},
    {"OfAnIngress",
     [](test::House& house) {
       return with_token(house.token({.name = "", .mesh = "", .tags = {}, .type = "ingress", .workload = ""}));
     },
     ErrorKind::Denied},
    {"OtherMesh",
     [](test::House& house) {
       // Signed by a key of mesh "other", which this mesh does not have.
       const auto key = make_signing_key();
       const auto token =
           sign_offline(DataplaneClaims{.name = "", .mesh = "other", .tags = {}, .type = "", .workload = ""}, *key, "1",
                        std::chrono::hours(1), house.clock);
       return with_token(*token);
     },
     ErrorKind::Unauthenticated},
    {"OtherKey",
     [](test::House& house) {
       const auto key = make_signing_key();
       const auto token =
           sign_offline(DataplaneClaims{.name = "", .mesh = "default", .tags = {}, .type = "", .workload = ""}, *key,
                        "1", std::chrono::hours(1), house.clock);
       return with_token(*token);
     },
     ErrorKind::Unauthenticated},
    {"UnknownKeyId",
     [](test::House& house) {
       const auto key = make_signing_key();
       const auto token =
           sign_offline(DataplaneClaims{.name = "", .mesh = "default", .tags = {}, .type = "", .workload = ""}, *key,
                        "77", std::chrono::hours(1), house.clock);
       return with_token(*token);
     },
     ErrorKind::Unauthenticated},
    {"AUserToken",
     [](test::House& house) {
       const auto key = house.secrets.find_secret("default", dataplane_signing_key_secret("default", 1));
       const auto token = sign_offline(User{"mesh-system:admin", {"mesh-system:admin"}}, *key, "1",
                                       std::chrono::hours(1), house.clock);
       return with_token(*token);
     },
     ErrorKind::Denied},
    {"AlgorithmNone",
     [](test::House& house) {
       return with_token(Secret(with_head(house.token({}).reveal(), R"({"alg":"none","typ":"JWT","kid":"1"})", "")));
     },
     ErrorKind::Unauthenticated},
    {"Hs256WithThePublicKey",
     [](test::House& house) {
       return with_token(Secret(with_head(house.token({}).reveal(), R"({"alg":"HS256","typ":"JWT","kid":"1"})",
                                          part(std::string(32, 'x')))));
     },
     ErrorKind::Unauthenticated},
    {"ChangedClaims",
     [](test::House& house) {
       const std::string token =
           house.token({.name = "web-2", .mesh = "", .tags = {}, .type = "", .workload = ""}).reveal();
       const auto first = token.find('.'), second = token.rfind('.');
       return with_token(Secret(token.substr(0, first + 1) +
                                part(R"({"Name":"web-1","Mesh":"default","exp":2000000000,"jti":"x"})") +
                                token.substr(second)));
     },
     ErrorKind::Unauthenticated},
    {"Revoked",
     [](test::House& house) {
       const auto token = house.token({});
       const std::string text = token.reveal();
       const auto first = text.find('.'), second = text.rfind('.');
       const auto claims = parse_json(*base64url_decode(text.substr(first + 1, second - first - 1)));
       const std::string id(claims->as_object().at("jti").as_string());
       Write write{.op = Write::Op::Put,
                   .resource = secret_resource("default", "dataplane-token-revocations-default", Secret(id)),
                   .expect = {},
                   .owner = {}};
       EXPECT_TRUE(house.store.write({write}).has_value());
       return with_token(token);
     },
     ErrorKind::Unauthenticated},
};
INSTANTIATE_TEST_SUITE_P(Gatekeeper, Cheats, testing::ValuesIn(kCheats),
                         [](const auto& test) { return test.param.name; });

TEST_F(GatekeeperTest, ATokenOfOneServiceCannotTakeOverTheNameOfAnother) {
  ASSERT_TRUE(let_in(node("db-1", dataplane_json("db-1", "db")), with_token(house.token({}))));
  const auto token = house.token({.name = "", .mesh = "", .tags = service("web"), .type = "", .workload = ""});
  const auto status = let_in(node("db-1", dataplane_json("db-1", "web")), with_token(token));
  EXPECT_EQ(kind_of(status), ErrorKind::Denied);
  EXPECT_EQ(
      house.store.get({&kDataplaneKind, "default", "db-1"})->spec_as<Dataplane>().networking.inbound.at(0).service(),
      "db");
}

TEST_F(GatekeeperTest, ARefusalNamesTheTagItsValueAndWhatIsAllowed) {
  const auto token = house.token({.name = "", .mesh = "", .tags = service("db"), .type = "", .workload = ""});
  const auto text = text_of(let_in(node("web-1", dataplane_json("web-1", "web")), with_token(token)));
  for (const char* word : {"kuma.io/service", "web", "db"}) EXPECT_THAT(text, HasSubstr(word));
}

}  // namespace
}  // namespace mesh
