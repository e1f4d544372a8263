#include "cp/aws_secrets.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "base/files.h"
#include "identity/certificates.h"

namespace mesh {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kTls = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tls-AbCdEf";
const std::string kCa = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:ca-AbCdEf";

// Secrets Manager's promise about versions, in memory.
class FakeVault : public aws::SecretVault {
 public:
  Result<aws::SecretValue> get(const std::string& arn) override {
    if (down) return error(ErrorKind::Unavailable, "nobody answers");
    if (!current.contains(arn)) return error(ErrorKind::NotFound, "holds no text");
    const aws::SecretValue value{Secret(versions[arn][current[arn]]), current[arn]};
    if (on_read) std::exchange(on_read, nullptr)();
    return value;
  }
  Status put(const std::string& arn, const Secret& text, const std::string& version) override {
    const auto [at, is_new] = versions[arn].emplace(version, text.reveal());
    if (!is_new && at->second != text.reveal()) return error(ErrorKind::Conflict, "the version exists");
    if (is_new) current[arn] = version;
    return {};
  }
  std::string text(const std::string& arn) { return versions[arn][current[arn]]; }

  bool down = false;
  std::function<void()> on_read;  // happens once, between a read and what its reader does next
  std::map<std::string, std::map<std::string, std::string>> versions;
  std::map<std::string, std::string> current;
};

class AwsSecrets : public testing::Test {
 protected:
  AwsSecrets() {
    std::string name = testing::TempDir() + "aws-secrets-XXXXXX";
    directory_ = mkdtemp(name.data());
    std::filesystem::create_directories(directory_ / "one");
    std::filesystem::create_directories(directory_ / "two");
    // As CloudFormation leaves them.
    for (const auto& arn : {kTls, kCa}) EXPECT_TRUE(vault_.put(arn, Secret("-"), "made-by-cloudformation"));
  }
  ~AwsSecrets() override { std::filesystem::remove_all(directory_); }

  Status prepare(const std::string& task,
                 const std::vector<std::string>& host_names = {"control-plane.mesh.internal", "api"}) {
    return prepare_tls({kTls, kCa, host_names, directory_ / task}, vault_, clock_);
  }
  std::string certificate_of(const std::string& task) { return read_file(directory_ / task / "tls.crt").value_or(""); }

  ManualClock clock_{*parse_time("2026-11-24T11:20:00Z")};
  FakeVault vault_;
  std::filesystem::path directory_;
};

TEST_F(AwsSecrets, ACertificateIsMadeAtTheFirstStartAndKept) {
  ASSERT_TRUE(prepare("one"));
  const std::string first = certificate_of("one");
  EXPECT_TRUE(check_key_pair(first, Secret(read_file(directory_ / "one/tls.key").value_or("")), false));
  EXPECT_EQ(std::filesystem::status(directory_ / "one/tls.key").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto versions = vault_.versions;
  ASSERT_TRUE(prepare("one"));
  EXPECT_EQ(certificate_of("one"), first);
  EXPECT_EQ(vault_.versions, versions) << "the second start puts nothing";
}

TEST_F(AwsSecrets, OfTwoTasksThatStartAtOnceBothShowTheCertificateOfTheFirst) {
  vault_.on_read = [&] { ASSERT_TRUE(prepare("two")); };  // between "one" reading nothing and putting its own
  ASSERT_TRUE(prepare("one"));
  EXPECT_THAT(certificate_of("one"), HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_EQ(certificate_of("one"), certificate_of("two"));
  EXPECT_EQ(vault_.text(kCa), certificate_of("one"));
}

TEST_F(AwsSecrets, WhatSidecarsReadHasNoKeyInIt) {
  ASSERT_TRUE(prepare("one"));
  EXPECT_EQ(vault_.text(kCa), certificate_of("one"));
  EXPECT_THAT(vault_.text(kCa), testing::Not(HasSubstr("KEY")));
  EXPECT_THAT(vault_.text(kTls), HasSubstr("PRIVATE KEY"));
}

TEST_F(AwsSecrets, ACertificateThatIsThereIsTakenAndItsAuthoritiesPublished) {
  ASSERT_TRUE(prepare("one"));
  std::string both = vault_.text(kTls);
  const auto at = both.find(R"("ca":")") + 6;
  both.insert(at, R"(-----BEGIN CERTIFICATE-----\nanother\n-----END CERTIFICATE-----\n)");
  ASSERT_TRUE(vault_.put(kTls, Secret(both), "put-by-an-operator"));
  ASSERT_TRUE(prepare("two", {}));
  EXPECT_EQ(certificate_of("two"), certificate_of("one"));
  EXPECT_THAT(vault_.text(kCa), testing::StartsWith("-----BEGIN CERTIFICATE-----\nanother\n"));
}

TEST_F(AwsSecrets, NothingIsMadeWhereNobodyAskedForIt) {
  const Status done = prepare("one", {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::NotFound);
  EXPECT_EQ(vault_.text(kTls), "-");
}

TEST_F(AwsSecrets, WhatIsNoCertificateIsRefusedAndNeverReplaced) {
  for (const std::string wrong :
       {R"(-----BEGIN CERTIFICATE-----)", R"({"certificate": "-----BEGIN", "key": "x", "ca": "y"})"}) {
    ASSERT_TRUE(vault_.put(kTls, Secret(wrong), "wrong " + wrong));
    const Status done = prepare("one");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::Invalid);
    EXPECT_THAT(done.error().message(), HasSubstr(kTls));
    EXPECT_EQ(vault_.text(kTls), wrong);
  }
}

TEST_F(AwsSecrets, AreTriedAgainWhenSecretsManagerIsAway) {
  vault_.down = true;
  const Status done = prepare("one");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::Unavailable);
  EXPECT_THAT(certificate_of("one"), IsEmpty());
}

TEST_F(AwsSecrets, TheAdministratorsTokenGoesFromTheControlPlaneIntoItsSecret) {
  std::string asked;
  int status = 200;
  const aws::Fetch fetch = [&](const wire::ClientRequest& request) -> Result<wire::Response> {
    asked = request.url;
    return wire::Response{
        .status = status, .headers = {}, .body = R"({"name": "admin-user-token", "data": "dG9rZW4="})"};
  };
  ASSERT_TRUE(save_admin_token("http://127.0.0.1:5681", kCa, vault_, fetch));
  ASSERT_TRUE(save_admin_token("http://127.0.0.1:5681", kCa, vault_, fetch)) << "of the other task, too";
  EXPECT_EQ(asked, "http://127.0.0.1:5681/global-secrets/admin-user-token");
  EXPECT_EQ(vault_.text(kCa), "token");
  status = 503;
  EXPECT_EQ(save_admin_token("http://127.0.0.1:5681", kCa, vault_, fetch).error().kind, ErrorKind::Unavailable);
}

}  // namespace
}  // namespace mesh
