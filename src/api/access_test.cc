#include "api/test_api.h"

namespace mesh {
namespace {

using testing::HasSubstr;

class Access : public ApiTest {
 protected:
  Access() {
    put_mesh("default");
    put_secret("default", "key", "content");
    put_secret("", "admin-user-token", "token");
    const auto key = make_signing_key();
    put_secret("", "user-token-signing-key-1", key->reveal());
    put_secret("default", "dataplane-token-signing-key-default-1", key->reveal());
    put_secret("", "zone-token-signing-key-1", key->reveal());
  }
  wire::Response send_with_token(std::string method, std::string target, const std::string& token,
                                 std::string body = {}) {
    auto request = this->request(std::move(method), std::move(target), std::move(body), As::Anonymous);
    request.headers.set("authorization", "Bearer " + token);
    return send(request);
  }
  std::string token_of(const User& user, Duration valid_for = std::chrono::hours(1)) {
    return issuer.issue(user, valid_for)->reveal();
  }
};

struct Door {
  const char* method;
  const char* target;
  const char* body;
  int for_anonymous, for_user, for_admin;
};

constexpr const char* kUserToken = R"({"name": "ann", "groups": ["team"], "validFor": "1h"})";
constexpr const char* kDataplaneToken = R"({"mesh": "default", "validFor": "1h"})";
constexpr const char* kZoneToken = R"({"zone": "east", "scope": ["ingress"], "validFor": "1h"})";

const Door kDoors[] = {
    {"GET", "/", "", 200, 200, 200},
    {"GET", "/who-am-i", "", 200, 200, 200},
    {"GET", "/config", "", 200, 200, 200},
    {"GET", "/meshes", "", 200, 200, 200},
    {"GET", "/meshes/default/dataplanes", "", 200, 200, 200},
    {"GET", "/meshes/default/secrets", "", 403, 403, 200},
    {"GET", "/secrets", "", 403, 403, 200},
    {"GET", "/meshes/default/secrets/key", "", 403, 403, 200},
    {"GET", "/meshes/default/secrets/nope", "", 403, 403, 404},
    {"GET", "/global-secrets", "", 403, 403, 200},
    {"GET", "/globalsecrets/admin-user-token", "", 403, 403, 200},
    {"GET", "/global-secrets/admin-user-token", "", 403, 403, 200},
    {"PUT", "/global-secrets/x", R"({"type": "GlobalSecret", "name": "x", "data": "eA=="})", 403, 403, 201},
    {"DELETE", "/meshes/default/secrets/key", "", 403, 403, 200},
    {"POST", "/tokens/user", kUserToken, 403, 403, 200},
    {"POST", "/tokens/dataplane", kDataplaneToken, 403, 403, 200},
    {"POST", "/tokens/zone", kZoneToken, 403, 403, 200},
};

TEST_F(Access, IsGivenByWhoAsks) {
  for (const auto& door : kDoors) {
    const std::string where = std::string(door.method) + " " + door.target;
    EXPECT_EQ(send(door.method, door.target, door.body, As::Anonymous).status, door.for_anonymous) << where;
    EXPECT_EQ(send_with_token(door.method, door.target, token_of({"ann", {"team"}}), door.body).status, door.for_user)
        << where;
    EXPECT_EQ(send_with_token(door.method, door.target, token_of({"root", {"mesh-system:admin"}}), door.body).status,
              door.for_admin)
        << where;
  }
}

TEST_F(Access, IsFullForProgramsOnThisMachine) {
  EXPECT_EQ(text_at(get_json("/who-am-i"), "/name"), "mesh-system:admin");
  EXPECT_EQ(text_at(get_json("/who-am-i"), "/groups"), R"(["mesh-system:admin","mesh-system:authenticated"])");
  make_api({.localhost_is_admin = false});
  EXPECT_EQ(text_at(get_json("/who-am-i"), "/name"), "mesh-system:anonymous");
  EXPECT_EQ(text_at(get_json("/who-am-i"), "/groups"), R"(["mesh-system:unauthenticated"])");
}

TEST_F(Access, KnowsUsersByTheirTokens) {
  const auto response = send_with_token("GET", "/who-am-i", token_of({"ann", {"team"}}));
  EXPECT_EQ(text_at(*parse_json(response.body), "/name"), "ann");
  EXPECT_EQ(text_at(*parse_json(response.body), "/groups"), R"(["team","mesh-system:authenticated"])");
}

TEST_F(Access, RefusesTokensThatDoNotHold) {
  const std::string old = token_of({"ann", {}}, std::chrono::minutes(1));
  clock.advance(std::chrono::hours(2));
  for (const std::string& token :
       {old, std::string("abc"), std::string(), std::string("a.b.c"), std::string(100'000, 'a')}) {
    const auto response = send_with_token("GET", "/meshes", token);
    EXPECT_EQ(response.status, 401);
    EXPECT_THAT(response.body, HasSubstr("Invalid authentication data"));
    EXPECT_THAT(response.body, HasSubstr("Unauthenticated"));
  }
  EXPECT_EQ(send_with_token("GET", "/", old).status, 200) << "the index is for everybody";
}

TEST_F(Access, MayBeGivenToShownCertificates) {
  auto request = this->request("GET", "/global-secrets", {}, As::Anonymous);
  request.peer.client_certificate_pem = "-----BEGIN CERTIFICATE-----";
  EXPECT_EQ(send(request).status, 403);
  make_api({.accept_client_certificates = true});
  EXPECT_EQ(send(request).status, 200);
}

TEST_F(Access, ToTheSettingsMayBeLimited) {
  ApiSettings settings;
  settings.access.control_plane_metadata = {};
  make_api(settings);
  EXPECT_EQ(send("GET", "/config", {}, As::Anonymous).status, 403);
  EXPECT_EQ(send("GET", "/config").body, R"({"mode":"zone"})");
}

TEST_F(Access, FromOtherSitesIsOnlyForThoseThatAreNamed) {
  auto request = this->request("GET", "/meshes", {}, As::Anonymous);
  request.headers.set("origin", "https://mesh.example.com");
  EXPECT_FALSE(send(request).headers.find("access-control-allow-origin"));
  make_api({.cors_allowed_domains = {"mesh.example.com"}});
  EXPECT_EQ(send(request).headers.find("access-control-allow-origin"), "https://mesh.example.com");
  request.method = "OPTIONS";
  request.headers.set("access-control-request-method", "PUT");
  EXPECT_EQ(send(request).status, 200);
  request.headers.set("origin", "https://evil.example");
  EXPECT_EQ(send(request).status, 405);
}

TEST_F(Access, TokensAreSignedForWhatWasAsked) {
  const auto user = send("POST", "/tokens/user", kUserToken);
  EXPECT_EQ(user.headers.find("content-type"), "text/plain");
  EXPECT_EQ(verifier.verify_user(user.body)->name, "ann");
  const auto zone = send("POST", "/tokens/zone", kZoneToken);
  EXPECT_EQ(verifier.verify_zone(zone.body)->zone, "east");
  const auto dataplane =
      send("POST", "/tokens/dataplane",
           R"({"mesh": "default", "name": "web-1", "tags": {"kuma.io/service": ["web", "api"]}, "type": "dataplane"})");
  const auto claims = verifier.verify_dataplane(dataplane.body, "default");
  ASSERT_TRUE(claims) << dataplane.body;
  EXPECT_EQ(claims->name, "web-1");
  EXPECT_EQ(claims->tags.at("kuma.io/service"), (std::set<std::string>{"api", "web"}));
}

TEST_F(Access, TokenRequestsNameTheirFaults) {
  using testing::ElementsAre;
  EXPECT_THAT(invalid_fields(send("POST", "/tokens/dataplane", "{}")), ElementsAre("mesh"));
  EXPECT_THAT(
      invalid_fields(send("POST", "/tokens/dataplane", R"({"type": "boat", "validFor": "x", "tags": {"a": "b"}})")),
      ElementsAre("mesh", "tags[\"a\"]", "validFor", "type"));
  EXPECT_THAT(invalid_fields(send("POST", "/tokens/zone", R"({"validFor": "x"})")), ElementsAre("validFor", "scope"));
  EXPECT_THAT(invalid_fields(send("POST", "/tokens/user", R"({"groups": [1]})")),
              ElementsAre("groups[0]", "name", "validFor"));
  EXPECT_THAT(invalid_fields(send("POST", "/tokens/user", R"({"name": "a", "validFor": "0s"})")),
              ElementsAre("validFor"));
  EXPECT_EQ(send("POST", "/tokens/user", "{").status, 400);
  EXPECT_EQ(send("POST", "/tokens/user", "[]").status, 400);
  const auto unknown = send("POST", "/tokens/dataplane", R"({"mesh": "nope", "validFor": "1h"})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr("Signing Key not found"));
}

TEST_F(Access, TokensAreNotIssuedWhenThatIsSwitchedOff) {
  make_api({.enable_token_issuer = false});
  EXPECT_EQ(send("POST", "/tokens/user", kUserToken).status, 400);
}

}  // namespace
}  // namespace mesh
