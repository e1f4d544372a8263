#include "identity/tokens.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/hmac.h>

#include "base/encoding.h"
#include "identity/jwt.h"
#include "identity/signing_keys.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class SecretsInMap final : public SecretSource {
 public:
  Result<Secret> find_secret(const std::string& mesh, const std::string& name) const override {
    if (broken) return error(ErrorKind::Unavailable, "the store is away");
    const auto found = content.find({mesh, name});
    if (found == content.end()) return error(ErrorKind::NotFound, name + " is not there");
    return found->second;
  }
  Result<std::vector<std::string>> list_secrets(const std::string& mesh, const std::string& prefix) const override {
    std::vector<std::string> names;
    for (const auto& [key, secret] : content)
      if (key.first == mesh && key.second.starts_with(prefix)) names.push_back(key.second);
    return names;
  }
  void put(const std::string& mesh, const std::string& name, const std::string& value) {
    content[{mesh, name}] = Secret(value);
  }

  std::map<std::pair<std::string, std::string>, Secret> content;
  bool broken = false;
};

// Keys are slow to make, so the tests share two.
const Secret& key_a() {
  static const Secret key = make_signing_key().value();
  return key;
}
const Secret& key_b() {
  static const Secret key = make_signing_key().value();
  return key;
}

class Tokens : public testing::Test {
 protected:
  Tokens() {
    secrets.put("prod", "dataplane-token-signing-key-prod-1", key_a().reveal());
    secrets.put("test", "dataplane-token-signing-key-test-1", key_b().reveal());
    secrets.put("", "zone-token-signing-key-1", key_a().reveal());
    secrets.put("", "user-token-signing-key-1", key_b().reveal());
  }

  std::string token_for(const DataplaneClaims& claims, Duration valid_for = 1h) {
    return issuer.issue(claims, valid_for).value().reveal();
  }
  std::string token() { return token_for({.name = "web", .mesh = "prod", .tags = {}, .type = "", .workload = ""}); }
  // Why the verifier of mesh "prod" refuses it.
  std::string why_not(const std::string& text) {
    const Result<DataplaneClaims> claims = verifier.verify_dataplane(text, "prod");
    if (claims.has_value()) return "it was accepted";
    EXPECT_EQ(claims.error().kind, ErrorKind::Unauthenticated);
    if (text.size() > 100) {
      EXPECT_THAT(claims.error().message(), Not(HasSubstr(text.substr(text.find('.') + 1))))
          << "a message never holds the token";
    }
    return claims.error().message();
  }
  // Signed with the real key of "prod", whatever the parts say.
  static std::string signed_with(const Secret& key, const std::string& header, const std::string& claims) {
    const std::string part = base64url_encode(header) + "." + base64url_encode(claims);
    const SharedKey parsed = read_signing_key(key).value();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    std::string signature(256, '\0');
    std::size_t size = signature.size();
    EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, parsed.get());
    EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                   reinterpret_cast<const unsigned char*>(part.data()), part.size());
    EVP_MD_CTX_free(context);
    return part + "." + base64url_encode(signature);
  }
  static std::string signed_with_key_a(const std::string& claims) {
    return signed_with(key_a(), R"({"alg":"RS256","kid":"1"})", claims);
  }
  static std::string part(const std::string& token, int index) {
    std::size_t start = 0;
    for (int i = 0; i < index; ++i) start = token.find('.', start) + 1;
    return token.substr(start, token.find('.', start) - start);
  }

  SecretsInMap secrets;
  ManualClock clock{SystemTime(1'800'000'000s)};
  TokenIssuer issuer{secrets, clock};
  TokenVerifier verifier{secrets, clock};
};

// ---- what is let in

TEST_F(Tokens, CarryTheClaimsOfADataplane) {
  const std::string text = token_for({.name = "web-1",
                                      .mesh = "prod",
                                      .tags = {{"kuma.io/service", {"web", "web-admin"}}, {"team", {"red \"x\""}}},
                                      .type = "dataplane",
                                      .workload = "web"});
  const DataplaneClaims claims = verifier.verify_dataplane(text, "prod").value();
  EXPECT_EQ(claims.name, "web-1");
  EXPECT_EQ(claims.mesh, "prod");
  EXPECT_EQ(claims.tags.at("kuma.io/service"), (std::set<std::string>{"web", "web-admin"}));
  EXPECT_EQ(claims.tags.at("team"), (std::set<std::string>{"red \"x\""}));
  EXPECT_EQ(claims.type, "dataplane");
  EXPECT_EQ(claims.workload, "web");
}

TEST_F(Tokens, CarryTheClaimsOfAZoneAndOfAUser) {
  const ZoneClaims zone =
      verifier.verify_zone(issuer.issue(ZoneClaims{"east", {"ingress", "egress"}}, 1h).value().reveal()).value();
  EXPECT_EQ(zone.zone, "east");
  EXPECT_THAT(zone.scope, testing::ElementsAre("ingress", "egress"));
  const User user =
      verifier.verify_user(issuer.issue(User{"mesh-system:admin", {"mesh-system:admin"}}, 1h).value().reveal()).value();
  EXPECT_EQ(user.name, "mesh-system:admin");
  EXPECT_TRUE(user.is_in("mesh-system:admin"));
  EXPECT_FALSE(user.is_in("mesh-system"));
}

TEST_F(Tokens, HaveTheFormThatTheStockProgramsReadAndWrite) {
  const std::string text =
      token_for({.name = "web", .mesh = "prod", .tags = {{"team", {"a"}}}, .type = "", .workload = ""});
  const auto header = boost::json::parse(base64url_decode(part(text, 0)).value());
  EXPECT_EQ(header, (boost::json::value{{"alg", "RS256"}, {"kid", "1"}, {"typ", "JWT"}}));
  const auto claims = boost::json::parse(base64url_decode(part(text, 1)).value()).as_object();
  EXPECT_EQ(claims.at("Name"), "web");
  EXPECT_EQ(claims.at("Mesh"), "prod");
  EXPECT_EQ(claims.at("Tags"), (boost::json::value{{"team", boost::json::array{"a"}}}));
  EXPECT_EQ(claims.at("nbf"), 1'799'999'995);
  EXPECT_EQ(claims.at("iat"), 1'799'999'995);
  EXPECT_EQ(claims.at("exp"), 1'800'003'600);
  EXPECT_EQ(claims.at("jti").as_string().size(), 36U);
}

TEST_F(Tokens, MayLeaveClaimsOutOrSayNull) {
  const DataplaneClaims claims =
      verifier.verify_dataplane(signed_with_key_a(R"({"Name":null,"Tags":null})"), "prod").value();
  EXPECT_EQ(claims.name, "");
  EXPECT_TRUE(claims.tags.empty());
}

// ---- signing keys

TEST_F(Tokens, AreSignedWithTheKeyOfTheHighestSerial) {
  secrets.put("prod", "dataplane-token-signing-key-prod-9", key_a().reveal());
  secrets.put("prod", "dataplane-token-signing-key-prod-10", key_b().reveal());
  secrets.put("prod", "dataplane-token-signing-key-prod-x", "of something else");
  const std::string text = token();
  EXPECT_THAT(base64url_decode(part(text, 0)).value(), HasSubstr(R"("kid":"10")"));
  EXPECT_TRUE(verifier.verify_dataplane(text, "prod").has_value());
}

TEST_F(Tokens, OfAnOldKeyHoldUntilThatKeyIsGone) {
  const std::string old = token();
  secrets.put("prod", "dataplane-token-signing-key-prod-2", key_b().reveal());
  EXPECT_TRUE(verifier.verify_dataplane(old, "prod").has_value());
  secrets.content.erase({"prod", "dataplane-token-signing-key-prod-1"});
  EXPECT_THAT(why_not(old), HasSubstr("Secret \"dataplane-token-signing-key-prod-1\" in mesh \"prod\""));
}

TEST_F(Tokens, FollowAKeyThatWasReplacedUnderItsName) {
  const std::string old = token();
  ASSERT_TRUE(verifier.verify_dataplane(old, "prod").has_value());
  secrets.put("prod", "dataplane-token-signing-key-prod-1", key_b().reveal());
  EXPECT_THAT(why_not(old), HasSubstr("did not make")) << "parsed keys are kept by content, not by name";
}

TEST_F(Tokens, MayBeSignedWithTheKeyFromBeforeThereWereSerials) {
  secrets.content.clear();
  secrets.put("prod", "dataplane-token-signing-key-prod", key_a().reveal());
  const std::string text = token();
  EXPECT_THAT(base64url_decode(part(text, 0)).value(), HasSubstr(R"("kid":"0")"));
  EXPECT_TRUE(verifier.verify_dataplane(text, "prod").has_value());
}

TEST_F(Tokens, AreNotIssuedWithoutAKey) {
  secrets.content.clear();
  const Result<Secret> issued = issuer.issue(ZoneClaims{"east", {}}, 1h);
  EXPECT_EQ(issued.error().kind, ErrorKind::NotFound);
  EXPECT_THAT(issued.error().message(), HasSubstr("zone-token-signing-key-1"));
}

TEST_F(Tokens, AreNotIssuedForNoTimeOrForever) {
  EXPECT_EQ(issuer.issue(ZoneClaims{"east", {}}, 0s).error().kind, ErrorKind::Invalid);
  EXPECT_EQ(issuer.issue(ZoneClaims{"east", {}}, Duration::max()).error().kind, ErrorKind::Invalid);
}

TEST_F(Tokens, SignedOfflineAreVerifiedWithThePublicKeyFromTheSettings) {
  const std::string pem = public_key_of(key_b()).value();
  const TokenVerifier offline(
      secrets, clock,
      {.dataplane = {.use_secrets = false, .public_keys = {{"mine", "prod", pem}, {"all", "", pem}}},
       .zone = {},
       .user = {}});
  const DataplaneClaims claims{.name = "web", .mesh = "prod", .tags = {}, .type = "", .workload = ""};
  const std::string mine = sign_offline(claims, key_b(), "mine", 1h, clock).value().reveal();
  const std::string all = sign_offline(claims, key_b(), "all", 1h, clock).value().reveal();
  EXPECT_TRUE(offline.verify_dataplane(mine, "prod").has_value());
  EXPECT_FALSE(offline.verify_dataplane(mine, "test").has_value()) << "that key is for one mesh";
  EXPECT_TRUE(offline.verify_dataplane(all, "test").has_value());
  EXPECT_FALSE(offline.verify_dataplane(token(), "prod").has_value()) << "secrets are not to be used";
  EXPECT_FALSE(sign_offline(claims, key_b(), "", 1h, clock).has_value());
}

TEST_F(Tokens, OfZonesAreVerifiedWithThePublicHalfWhereOnlyThatIsKnown) {
  const std::string text = issuer.issue(ZoneClaims{"east", {"cp"}}, 1h).value().reveal();
  secrets.content.clear();
  secrets.put("", "zone-token-signing-public-key-1", public_key_of(key_a()).value());
  EXPECT_TRUE(verifier.verify_zone(text).has_value());
}

TEST(SigningKey, IsPkcs1InPemAndSoIsItsPublicHalf) {
  EXPECT_TRUE(key_a().reveal().starts_with("-----BEGIN RSA PRIVATE KEY-----\n"));
  EXPECT_TRUE(public_key_of(key_a()).value().starts_with("-----BEGIN RSA PUBLIC KEY-----\n"));
}

TEST(SigningKey, RefusesWhatIsNone) {
  EXPECT_FALSE(public_key_of(Secret("")).has_value());
  EXPECT_FALSE(public_key_of(Secret("garbage")).has_value());
  EXPECT_FALSE(public_key_of(Secret(public_key_of(key_a()).value())).has_value()) << "a public key cannot sign";
  EXPECT_FALSE(check_public_key("garbage").has_value());
  EXPECT_TRUE(check_public_key(public_key_of(key_a()).value()).has_value());
}

// ---- time and revocation

TEST_F(Tokens, Expire) {
  const std::string text = token_for({.name = "web", .mesh = "prod", .tags = {}, .type = "", .workload = ""}, 10min);
  clock.advance(10min - 1s);
  EXPECT_TRUE(verifier.verify_dataplane(text, "prod").has_value());
  clock.advance(1s);
  EXPECT_THAT(why_not(text), HasSubstr("expired at"));
}

TEST_F(Tokens, HoldForClocksAFewSecondsBehind) {
  const std::string text = token();
  clock.advance(-5s);
  EXPECT_TRUE(verifier.verify_dataplane(text, "prod").has_value());
  clock.advance(-1s);
  EXPECT_THAT(why_not(text), HasSubstr("not valid before"));
}

TEST_F(Tokens, OnARevocationListAreRefused) {
  const std::string text = token();
  const std::string id = boost::json::parse(base64url_decode(part(text, 1)).value()).at("jti").as_string().c_str();
  secrets.put("", "dataplane-token-revocations-prod", "other,another\n");
  EXPECT_TRUE(verifier.verify_dataplane(text, "prod").has_value());
  for (const char* mesh : {"", "prod"}) {
    secrets.put(mesh, "dataplane-token-revocations-prod", "other," + id + "\n");
    EXPECT_THAT(why_not(text), HasSubstr("revoked")) << "the list may be global or lie in the mesh";
    secrets.content.erase({mesh, "dataplane-token-revocations-prod"});
  }
  secrets.put("", "dataplane-token-revocations-prod", "x" + id);
  EXPECT_TRUE(verifier.verify_dataplane(text, "prod").has_value());
}

TEST_F(Tokens, AreNotAcceptedWhileSecretsCannotBeRead) {
  const std::string text = token();
  secrets.broken = true;
  EXPECT_EQ(verifier.verify_dataplane(text, "prod").error().kind, ErrorKind::Unavailable);
}

// ---- every way to cheat

TEST_F(Tokens, OfOtherKeysAreRefused) {
  EXPECT_THAT(why_not(token_for({.name = "web", .mesh = "test", .tags = {}, .type = "", .workload = ""})),
              HasSubstr("did not make"));
  EXPECT_THAT(why_not(sign_offline(ZoneClaims{"x", {}}, key_b(), "1", 1h, clock).value().reveal()),
              HasSubstr("did not make"));
  EXPECT_THAT(why_not(sign_offline(ZoneClaims{"x", {}}, key_a(), "7", 1h, clock).value().reveal()),
              HasSubstr("not known"));
  EXPECT_FALSE(verifier.verify_user(issuer.issue(ZoneClaims{"x", {}}, 1h).value().reveal()).has_value());
}

TEST_F(Tokens, WithOtherAlgorithmsAreRefused) {
  const std::string claims = base64url_encode(R"({"Name":"web","Mesh":"prod"})");
  for (const char* alg : {"none", "None", "NONE", "", "HS256", "RS384", "RS512", "PS256", "ES256", "rs256", "RS256 "}) {
    const std::string header = base64url_encode(std::string(R"({"kid":"1","alg":")") + alg + "\"}");
    EXPECT_THAT(why_not(header + "." + claims + "." + base64url_encode("x")), HasSubstr("not signed with RS256"))
        << alg;
    EXPECT_NE(why_not(header + "." + claims + "."), "it was accepted") << alg;
  }
  EXPECT_THAT(why_not(base64url_encode(R"({"kid":"1"})") + "." + claims + "." + base64url_encode("x")),
              HasSubstr("not signed with RS256"));
  EXPECT_THAT(why_not(base64url_encode(R"({"kid":"1","alg":["RS256"]})") + "." + claims + ".eA"),
              HasSubstr("not signed with RS256"));
}

TEST_F(Tokens, SignedWithThePublicKeyAsAPasswordAreRefused) {
  const std::string part =
      base64url_encode(R"({"alg":"HS256","kid":"1"})") + "." + base64url_encode(R"({"Name":"web"})");
  for (const std::string& password : {public_key_of(key_a()).value(), key_a().reveal()}) {
    unsigned char mac[32];
    unsigned size = sizeof mac;
    HMAC(EVP_sha256(), password.data(), static_cast<int>(password.size()),
         reinterpret_cast<const unsigned char*>(part.data()), part.size(), mac, &size);
    EXPECT_THAT(why_not(part + "." + base64url_encode({reinterpret_cast<const char*>(mac), size})),
                HasSubstr("not signed with RS256"));
  }
}

TEST_F(Tokens, WithAKeyOfTheirOwnInTheHeaderAreRefused) {
  const std::string own =
      R"({"alg":"RS256","kid":"1","jwk":{"kty":"RSA"},"jku":"https://example.com/keys","x5u":"https://example.com"})";
  EXPECT_THAT(why_not(signed_with(key_b(), own, R"({"Name":"web"})")), HasSubstr("did not make"));
}

TEST_F(Tokens, WithAChangedPartAreRefused) {
  const std::string text = token();
  const std::string other = token_for({.name = "db", .mesh = "prod", .tags = {}, .type = "", .workload = ""});
  EXPECT_THAT(why_not(part(text, 0) + "." + part(other, 1) + "." + part(text, 2)), HasSubstr("did not make"));
  for (const std::size_t at : {text.size() - 10, text.size() - 300, text.find('.') + 5}) {
    std::string changed = text;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_NE(why_not(changed), "it was accepted") << at;
  }
  EXPECT_NE(why_not(text.substr(0, text.size() - 4)), "it was accepted");
  EXPECT_NE(why_not(text + "AAAA"), "it was accepted");
}

TEST_F(Tokens, OfAnotherFormAreRefused) {
  const std::string text = token();
  for (const std::string& bad : std::vector<std::string>{
           "", ".", "..", "...", "a.b", text + ".x", text + "=", " " + text, text + "\n", "Bearer " + text,
           std::string("\0\0\0", 3), "." + part(text, 1) + "." + part(text, 2), part(text, 0) + ".." + part(text, 2),
           part(text, 0) + "." + part(text, 1) + ".", std::string(20'000, 'a'), std::string(20'000, '.')})
    EXPECT_NE(why_not(bad), "it was accepted") << bad.substr(0, 50);
}

TEST_F(Tokens, WithoutAUsableKeyIdAreRefused) {
  for (const std::string kid : {"1", "null", "\"\"", "[\"1\"]", "{}", "true"})
    EXPECT_EQ(why_not(signed_with(key_a(), R"({"alg":"RS256","kid":)" + kid + "}", "{}")).contains("no usable key id"),
              true)
        << kid;
  EXPECT_THAT(why_not(signed_with(key_a(), R"({"alg":"RS256"})", "{}")), HasSubstr("no usable key id"));
  EXPECT_THAT(why_not(signed_with(key_a(), R"({"alg":"RS256","kid":")" + std::string(500, '1') + "\"}", "{}")),
              HasSubstr("no usable key id"));
}

TEST_F(Tokens, ThatNameAFieldTwiceAreRefused) {
  EXPECT_THAT(why_not(signed_with(key_a(), R"({"alg":"none","alg":"RS256","kid":"1"})", "{}")), HasSubstr("twice"));
  EXPECT_THAT(why_not(signed_with_key_a(R"({"Mesh":"test","Mesh":"prod"})")), HasSubstr("twice"));
  EXPECT_THAT(why_not(signed_with_key_a(R"({"Tags":{"a":["1"],"\u0061":["2"]}})")), HasSubstr("twice"));
  EXPECT_TRUE(verifier.verify_dataplane(signed_with_key_a(R"({"Name":"a\":b\\","Mesh":"Name"})"), "prod").has_value());
}

TEST_F(Tokens, WithAHeaderThatMustBeUnderstoodAreRefused) {
  EXPECT_THAT(why_not(signed_with(key_a(), R"({"alg":"RS256","kid":"1","crit":["exp"]})", "{}")), HasSubstr("crit"));
}

TEST_F(Tokens, WithClaimsOfTheWrongShapeAreRefused) {
  for (const char* claims :
       {"[]", "1", "", "{", R"({"Name":1})", R"({"Mesh":["prod"]})", R"({"Tags":[]})", R"({"Tags":{"a":"b"}})",
        R"({"Tags":{"a":[1]}})", R"({"Tags":{"a":null}})", R"({"exp":"tomorrow"})", R"({"exp":null})",
        R"({"exp":1e300})", R"({"nbf":true})", R"({"jti":5})", R"({"exp":99999999999999999999})",
        R"({"a":[[[[[[[[[[[[1]]]]]]]]]]]]})", "{\"Name\":\"\xff\"}"})
    EXPECT_NE(why_not(signed_with_key_a(claims)), "it was accepted") << claims;
}

// ---- may this proxy run with these claims?

struct ClaimCase {
  const char* what;
  DataplaneClaims claims;
  const char* refused_for;  // empty: it may
};

TEST(Claims, AllowExactlyWhatTheySay) {
  const std::map<std::string, std::set<std::string>> proxy = {{"kuma.io/service", {"web", "admin"}}, {"team", {"red"}}};
  const ClaimCase cases[] = {
      {"nothing is asked", {}, ""},
      {"all fits", {"web-1", "prod", {{"kuma.io/service", {"web", "admin"}}}, "", "shop"}, ""},
      {"more is allowed than is used", {"", "", {{"kuma.io/service", {"web", "admin", "db"}}}, "", ""}, ""},
      {"another name", {"web-2", "test", {}, "", ""}, "named \"web-1\""},
      {"another mesh", {"", "test", {{"team", {"blue"}}}, "", ""}, "in mesh \"prod\""},
      {"one of two values is not allowed",
       {"", "", {{"kuma.io/service", {"web"}}}, "", "x"},
       "\"kuma.io/service\" with value \"admin\", which its token does not allow; allowed: web"},
      {"a tag is missing", {"", "", {{"version", {"1"}}}, "", ""}, "no tag \"version\""},
      {"a tag that may have no value", {"", "", {{"team", {}}}, "", ""}, "value \"red\""},
      {"no pattern", {"", "", {{"team", {"*"}}}, "", ""}, "value \"red\""},
      {"another workload", {"", "", {}, "", "bank"}, "of workload \"shop\""},
  };
  for (const ClaimCase& each : cases) {
    const Status status = check_claims(each.claims, "prod", "web-1", proxy, "shop");
    EXPECT_EQ(status.has_value(), *each.refused_for == '\0') << each.what;
    if (status.has_value()) continue;
    EXPECT_EQ(status.error().kind, ErrorKind::Denied) << each.what;
    EXPECT_THAT(status.error().message(), HasSubstr(each.refused_for)) << each.what;
  }
  const Status no_label = check_claims({"", "", {}, "", "shop"}, "prod", "web-1", proxy, "");
  EXPECT_THAT(no_label.error().message(), HasSubstr("no workload label"));
}

}  // namespace
}  // namespace mesh
