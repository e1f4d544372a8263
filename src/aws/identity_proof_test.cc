#include "aws/identity_proof.h"

#include <gmock/gmock.h>

#include "aws/test_aws.h"
#include "base/encoding.h"

namespace mesh::aws {
namespace {

const ProofClaims kClaims{.audience = "cp.mesh.local", .mesh = "default", .name = "kv-1", .type = "dataplane"};
const SystemTime kNow = *parse_time("2026-11-24T11:20:00Z");
KeyPair role_keys() { return {"ASIAEXAMPLEEXAMPLE00", Secret("secret"), Secret("TOKEN/with+signs==")}; }

std::string proof_text(const ProofClaims& claims = kClaims) {
  return make_identity_proof(claims, role_keys(), *find_region("eu-west-1"), StsEndpoint::Regional, kNow)->reveal();
}
std::string json_of(const std::string& proof) { return *base64url_decode(proof.substr(proof.find('.') + 1)); }
std::string with_json(const std::string& json) { return "taskmesh-aws-1." + base64url_encode(json); }
std::string edited(const std::string& what, const std::string& by) {
  std::string json = json_of(proof_text());
  const auto at = json.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return with_json(json.replace(at, what.size(), by));
}

TEST(IdentityProof, GivesBackTheRequestThatWasSigned) {
  const auto proof = parse_identity_proof(proof_text());
  ASSERT_TRUE(proof) << proof.error().message();
  EXPECT_EQ(proof->claims, kClaims);
  EXPECT_EQ(proof->signed_at, kNow);
  const auto request = caller_identity_request(*proof);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "POST");
  EXPECT_EQ(request->url, "");
  EXPECT_EQ(request->body, "Action=GetCallerIdentity&Version=2011-06-15");
  EXPECT_EQ(request->headers.find("host"), "sts.eu-west-1.amazonaws.com");

  // Signing what is to be sent gives the signature that is sent.
  SigningRequest signing{.method = request->method, .path = "/", .query = {}, .headers = {}, .body = request->body};
  for (const char* name : {"Host", "Content-Type", "X-Taskmesh-Binding"})
    signing.headers.emplace_back(name, std::string(*request->headers.find(name)));
  const auto again = sign(signing, role_keys(), {"eu-west-1", "sts"}, kNow);
  EXPECT_EQ(request->headers.find("authorization"), again.headers.back().second);
}

TEST(IdentityProof, IsBoundToEachOfItsClaims) {
  const auto binding = [](const ProofClaims& claims) {
    return std::string(
        *caller_identity_request(*parse_identity_proof(proof_text(claims)))->headers.find("x-taskmesh-binding"));
  };
  const std::string ours = binding(kClaims);
  EXPECT_NE(ours, binding({"cp2.mesh.local", "default", "kv-1", "dataplane"}));
  EXPECT_NE(ours, binding({"cp.mesh.local", "other", "kv-1", "dataplane"}));
  EXPECT_NE(ours, binding({"cp.mesh.local", "default", "kv-2", "dataplane"}));
  EXPECT_NE(ours, binding({"cp.mesh.local", "default", "kv-1", "ingress"}));
  // Nor can the end of one claim be taken for the beginning of the next.
  EXPECT_NE(binding({"a", "bc", "d", "dataplane"}), binding({"a", "b", "cd", "dataplane"}));
}

TEST(IdentityProof, CanBeWrittenInOneWayOnly) {
  const std::string json = json_of(proof_text());
  ASSERT_TRUE(parse_identity_proof(with_json(json)));
  EXPECT_FALSE(parse_identity_proof(edited("\"aud\":", "\"x\":1,\"aud\":"))) << "a field that is not known";
  EXPECT_FALSE(parse_identity_proof(edited("\"aud\":", "\"aud\":\"other\",\"aud\":"))) << "a field twice";
  EXPECT_FALSE(parse_identity_proof(edited("\"aud\":", "\"AUD\":\"other\",\"aud\":")))
      << "a field in capitals beside it";
  EXPECT_FALSE(parse_identity_proof(edited("\"aud\":", "\"Aud\":"))) << "a field in capitals";
  EXPECT_FALSE(parse_identity_proof(edited("\"aud\":", " \"aud\":"))) << "white space";
  EXPECT_FALSE(
      parse_identity_proof(edited("\"mesh\":\"default\",\"name\":\"kv-1\"", "\"name\":\"kv-1\",\"mesh\":\"default\"")))
      << "another order";
  EXPECT_FALSE(parse_identity_proof(edited("kv-1", "kv-\\u0031"))) << "another way to write a character";
  EXPECT_FALSE(parse_identity_proof(edited("\"default\"", "[\"default\"]"))) << "a list";
  EXPECT_FALSE(parse_identity_proof(edited("\"default\"", "null")));
  EXPECT_FALSE(parse_identity_proof(with_json(json + "{}")));
  EXPECT_FALSE(parse_identity_proof(with_json("[" + json + "]")));
  EXPECT_FALSE(parse_identity_proof(proof_text() + "=")) << "padding";
  EXPECT_FALSE(parse_identity_proof(proof_text() + "\n"));
  EXPECT_FALSE(parse_identity_proof("Taskmesh-aws-1." + base64url_encode(json)));
  EXPECT_FALSE(parse_identity_proof("taskmesh-aws-2." + base64url_encode(json)));
  EXPECT_FALSE(parse_identity_proof("taskmesh-aws-1." + base64_encode(json) + "+/"));
}

TEST(IdentityProof, LeavesNoRoomForOtherPlacesOrLines) {
  for (const char* region : {"eu-west-9", "eu-west-1.amazonaws.com.evil", "eu-west-1@evil", "evil:443", "eu-west-1/x",
                             "eu-west-1?x=", "eu-west-1#", "", "eu-west-1\\r\\nHost: evil", "EU-WEST-1"}) {
    EXPECT_FALSE(parse_identity_proof(edited("\"region\":\"eu-west-1\"", std::string("\"region\":\"") + region + "\"")))
        << region;
  }
  for (const char* endpoint :
       {"", "REGIONAL", "https://evil/", "fips", "vpce"}) {  // there is no FIPS endpoint in that region
    EXPECT_FALSE(parse_identity_proof(edited("\"regional\"", std::string("\"") + endpoint + "\""))) << endpoint;
  }
  for (const char* name : {"kv-1\\r\\nx: y", "kv 1", "kv\\u0000", "ｋv-1", "kv/1", "", "../kv"}) {
    EXPECT_FALSE(parse_identity_proof(edited("kv-1", name))) << name;
  }
  for (const char* audience : {"cp@evil", "CP.mesh.local", "https://cp", "cp/x", "cp\\n", "ср.mesh.local", ""}) {
    EXPECT_FALSE(parse_identity_proof(edited("cp.mesh.local", audience))) << audience;
  }
  for (const char* date :
       {"20261124T112000", "20261124T112000Z\\r\\n", "20269924T112000Z", "2026-11-24T11:20:00Z", ""}) {
    EXPECT_FALSE(parse_identity_proof(edited("20261124T112000Z", date))) << date;
  }
  EXPECT_FALSE(parse_identity_proof(edited("ASIAEXAMPLEEXAMPLE00", "AKIAEXAMPLEEXAMPLE00"))) << "the key of a user";
  EXPECT_FALSE(parse_identity_proof(edited("ASIAEXAMPLEEXAMPLE00", "ASIAEXAMPLE/20261124/us-east-1")));
  EXPECT_FALSE(parse_identity_proof(edited("TOKEN/with", "TOKEN\\r\\nX: y")));
  EXPECT_FALSE(parse_identity_proof(edited("\"TOKEN/with+signs==\"", "\"\"")));
  EXPECT_FALSE(parse_identity_proof(edited("TOKEN", std::string(9000, 'T'))));
  EXPECT_FALSE(parse_identity_proof(edited("\"sig\":\"", "\"sig\":\"0")));
  EXPECT_FALSE(parse_identity_proof(edited(std::string(parse_identity_proof(proof_text())->signature.reveal()), "")))
      << "unsigned";
  EXPECT_FALSE(parse_identity_proof(edited("\"type\":\"dataplane\"", "\"type\":\"Dataplane\"")));
  EXPECT_FALSE(parse_identity_proof("taskmesh-aws-1." + std::string(100'000, 'A')));
}

TEST(IdentityProof, CannotBeMadeWithTheKeysOfAUser) {
  KeyPair keys = role_keys();
  keys.access_key_id = "AKIAEXAMPLEEXAMPLE00";
  EXPECT_FALSE(make_identity_proof(kClaims, keys, *find_region("eu-west-1"), StsEndpoint::Regional, kNow));
  keys = role_keys();
  keys.session_token = Secret();
  EXPECT_FALSE(make_identity_proof(kClaims, keys, *find_region("eu-west-1"), StsEndpoint::Regional, kNow));
}

TEST(IdentityProof, DoesNotSayWhatItHoldsWhenItIsRefused) {
  const auto refused = parse_identity_proof(edited("TOKEN/with", "TOKEN with"));
  EXPECT_THAT(refused.error().message(), testing::Not(testing::HasSubstr("TOKEN")));
}

TEST(Audience, IsComparedInOneForm) {
  EXPECT_EQ(normal_audience("CP.Mesh.Local."), "cp.mesh.local");
  EXPECT_EQ(normal_audience("[fd00::1]"), "fd00::1");
}

}  // namespace
}  // namespace mesh::aws
