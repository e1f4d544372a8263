#include "aws/sigv4.h"

#include <gmock/gmock.h>

namespace mesh::aws {
namespace {

SystemTime at(const char* time) { return *parse_time(time); }

KeyPair documented_keys() { return {"AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), Secret()}; }

TEST(Signature, IsThatOfTheExampleInTheDocumentationOfAws) {
  const SigningRequest request{
      .method = "GET",
      .path = "/",
      .query = "Action=ListUsers&Version=2010-05-08",
      .headers = {{"Host", "iam.amazonaws.com"}, {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
      .body = {}};
  const Signature signature = sign(request, documented_keys(), {"us-east-1", "iam"}, at("2015-08-30T12:36:00Z"));
  EXPECT_EQ(signature.hex, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
  EXPECT_EQ(signature.headers.back().second,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

// What other signers (boto among them) make of the same requests.
TEST(Signature, OfAFormWithASessionTokenIsThatOfOtherSigners) {
  const SigningRequest request{.method = "POST",
                               .path = "/",
                               .query = {},
                               .headers = {{"Host", "sts.eu-west-1.amazonaws.com"},
                                           {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
                                           {"X-Taskmesh-Binding", "00ff"}},
                               .body = "Action=GetCallerIdentity&Version=2011-06-15"};
  const KeyPair keys{"ASIAEXAMPLEEXAMPLE00", Secret("secret/key+EXAMPLE"), Secret("TOKEN/with+signs==")};
  const Signature signature = sign(request, keys, {"eu-west-1", "sts"}, at("2026-11-24T11:20:00Z"));
  EXPECT_EQ(signature.signed_headers, "content-type;host;x-amz-date;x-amz-security-token;x-taskmesh-binding");
  EXPECT_EQ(signature.hex, "362032f353b9188c4bf052dd19574d9374b0d1e48287878a93e999399eb0c3fd");
}

TEST(Signature, OfAQueryInAnyOrderIsThatOfOtherSigners) {
  const KeyPair keys{"ASIAEXAMPLEEXAMPLE00", Secret("secret/key+EXAMPLE"), Secret()};
  SigningRequest request{.method = "GET",
                         .path = "/2013-04-01/hostedzone/Z1/rrset",
                         .query = "type=A&maxitems=300&name=a%2Ab.mesh.local",
                         .headers = {{"Host", "route53.amazonaws.com"}},
                         .body = {}};
  const std::string expected = "40f70589057a4ed6e6f2b71343b8e49345ab6013800ce3b9c9d9a5710befd705";
  EXPECT_EQ(sign(request, keys, {"us-east-1", "route53"}, at("2026-11-24T11:20:00Z")).hex, expected);
  request.query = "name=a%2ab.mesh.local&type=A&maxitems=300";
  EXPECT_EQ(sign(request, keys, {"us-east-1", "route53"}, at("2026-11-24T11:20:00Z")).hex, expected);
}

TEST(Signature, TakesPathsAsTheServicesDo) {
  const auto path_line = [](const std::string& path) {
    const auto signature = sign({.method = "GET", .path = path, .query = {}, .headers = {{"Host", "x"}}, .body = {}},
                                documented_keys(), {"us-east-1", "service"}, at("2015-08-30T12:36:00Z"));
    const auto begin = signature.canonical_request.find('\n') + 1;
    return signature.canonical_request.substr(begin, signature.canonical_request.find('\n', begin) - begin);
  };
  EXPECT_EQ(path_line("/a/../b"), "/b");
  EXPECT_EQ(path_line("//a//"), "/a/");
  EXPECT_EQ(path_line("/./"), "/");
  EXPECT_EQ(path_line("/../.."), "/");
  EXPECT_EQ(path_line("/a b"), "/a%20b");
  EXPECT_EQ(path_line("/a%20b"), "/a%2520b");
}

TEST(Signature, SqueezesTheValuesOfHeadersAndJoinsThoseOfOneName) {
  const auto signature = sign({.method = "GET",
                               .path = "/",
                               .query = {},
                               .headers = {{"Host", "x"}, {"My", " a   b "}, {"MY", "c"}},
                               .body = {}},
                              documented_keys(), {"us-east-1", "service"}, at("2015-08-30T12:36:00Z"));
  EXPECT_THAT(signature.canonical_request, testing::HasSubstr("\nmy:a b,c\n"));
}

TEST(AmzDate, IsReadOnlyInTheOneFormThatItIsWrittenIn) {
  const SystemTime time = at("2026-02-28T23:59:59Z");
  EXPECT_EQ(amz_date(time), "20260228T235959Z");
  EXPECT_EQ(*parse_amz_date("20260228T235959Z"), time);
  for (const char* wrong : {"", "20260231T000000Z", "20260228T235960Z", "20260228t235959Z", "2026-02-28T23:59:59Z",
                            "20260228T235959Z ", "20260228T235959+", "２0260228T23595Z"}) {
    EXPECT_FALSE(parse_amz_date(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace mesh::aws
