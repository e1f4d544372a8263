#include "identity/aws_authority.h"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace mesh {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kAccount = "123456789012";

// STS and IAM: believes signatures that were made with the secret that it gave for a key.
class FakeAws {
 public:
  struct Role {
    std::string id, account = kAccount;
    std::map<std::string, std::string> tags;
  };

  Result<wire::Response> answer(const wire::ClientRequest& request) {
    const bool is_sts = request.body.contains("GetCallerIdentity");
    ++(is_sts ? sts_calls : iam_calls);
    requests.push_back(request);
    if (on_call) on_call();
    if (is_down) return error(ErrorKind::Unavailable, "connection refused");
    if (fixed) return *fixed;
    return is_sts ? identity(request) : role(request);
  }

  static wire::Response xml(int status, std::string body, const std::string& type = "text/xml") {
    wire::Response out{.status = status, .headers = {}, .body = std::move(body)};
    out.headers.add("content-type", type);
    return out;
  }
  static wire::Response refusal(int status, const std::string& code) {
    return xml(status, "<ErrorResponse><Error><Type>Sender</Type><Code>" + code +
                           "</Code><Message>TOKENTOKEN</Message></Error></ErrorResponse>");
  }
  static std::string identity_xml(const std::string& arn, const std::string& user_id, const std::string& account) {
    return "<GetCallerIdentityResponse "
           "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>" +
           arn + "</Arn><UserId>" + user_id + "</UserId><Account>" + account +
           "</Account></GetCallerIdentityResult><ResponseMetadata/></GetCallerIdentityResponse>";
  }

  std::map<std::string, Role> roles = {
      {"kv",
       {"AROAKV", kAccount, {{"kuma.io/type", "dataplane"}, {"kuma.io/mesh", "default"}, {"kuma.io/service", "kv"}}}}};
  std::string arn = "arn:aws:sts::123456789012:assumed-role/kv/task-1", user_id = "AROAKV:task-1", account = kAccount;
  std::optional<wire::Response> fixed;
  std::function<void()> on_call;
  bool is_down = false;
  std::atomic<int> sts_calls = 0, iam_calls = 0;
  std::vector<wire::ClientRequest> requests;

 private:
  Result<wire::Response> identity(const wire::ClientRequest& request) const {
    aws::SigningRequest signing{
        .method = request.method, .path = "/", .query = {}, .headers = {}, .body = request.body};
    for (const char* name : {"Host", "Content-Type", "X-Taskmesh-Binding"})
      signing.headers.emplace_back(name, std::string(*request.headers.find(name)));
    const auto date = aws::parse_amz_date(*request.headers.find("x-amz-date"));
    const aws::KeyPair keys{"ASIAEXAMPLEEXAMPLE00", Secret("secret"),
                            Secret(std::string(*request.headers.find("x-amz-security-token")))};
    const auto expected = aws::sign(signing, keys, {"eu-west-1", "sts"}, *date);
    if (*request.headers.find("authorization") != expected.headers.back().second)
      return refusal(403, "SignatureDoesNotMatch");
    return xml(200, identity_xml(arn, user_id, account));
  }
  Result<wire::Response> role(const wire::ClientRequest& request) const {
    const std::string name = request.body.substr(request.body.find("RoleName=") + 9);
    const auto found = roles.find(name);
    if (found == roles.end()) return refusal(404, "NoSuchEntity");
    std::string tags;
    for (const auto& [key, value] : found->second.tags)
      tags += "<member><Key>" + key + "</Key><Value>" + value + "</Value></member>";
    return xml(
        200,
        "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role><Arn>arn:aws:iam::" +
            found->second.account + ":role/some/path/" + name + "</Arn><RoleName>" + name + "</RoleName><RoleId>" +
            found->second.id + "</RoleId><Tags>" + tags + "</Tags></Role></GetRoleResult></GetRoleResponse>");
  }
};

struct House {
  House() { make(); }
  void make(AwsAuthoritySettings settings = {.accounts = {kAccount}, .roles = {}}) {
    aws::ChainNeeds needs{
        {{"AWS_ACCESS_KEY_ID", "AKIACP"}, {"AWS_SECRET_ACCESS_KEY", "s"}, {"AWS_REGION", "eu-west-1"}}, {}};
    needs.caller.clock = &clock;
    needs.caller.fetch = [this](wire::ClientRequest request) { return fake.answer(request); };
    authority = std::make_unique<AwsAuthority>(std::move(settings), std::move(needs),
                                               [] { return std::set<std::string>{"cp.mesh.local", "10.0.0.1"}; });
  }

  Secret proof(aws::ProofClaims claims = {"cp.mesh.local", "default", "kv-1", "dataplane"}, Duration later = {},
               const std::string& secret = "secret", const std::string& token = "TOKENTOKEN") {
    return *aws::make_identity_proof(claims, {"ASIAEXAMPLEEXAMPLE00", Secret(secret), Secret(token)},
                                     *aws::find_region("eu-west-1"), aws::StsEndpoint::Regional, clock.now() + later);
  }
  static ProxyClaims kv() {
    return {.type = "dataplane", .mesh = "default", .name = "kv-1", .services = {"kv"}, .workload = {}};
  }

  // "in", or why not.
  std::string let_in(const Secret& credential, const ProxyClaims& claims = kv(),
                     const std::string& source = "10.0.0.9") {
    const auto identity = authority->identify(credential, claims, source);
    if (!identity) return said(identity.error());
    const auto allowed = authority->authorise(*identity, claims);
    return allowed ? "in" : said(allowed.error());
  }
  std::string said(const Error& error) {
    last = error.kind;
    EXPECT_THAT(error.message(), Not(HasSubstr("TOKENTOKEN")));
    return error.message();
  }

  ManualClock clock{*parse_time("2026-11-24T11:20:00Z")};
  FakeAws fake;
  std::unique_ptr<AwsAuthority> authority;
  ErrorKind last = ErrorKind::Internal;
};

TEST(AwsAuthority, LetsInWhomAwsKnowsWithTheRightTags) {
  House house;
  EXPECT_EQ(house.let_in(house.proof()), "in");
  EXPECT_EQ(house.fake.requests[0].url, "https://sts.eu-west-1.amazonaws.com/");
  EXPECT_EQ(house.let_in(house.proof({"10.0.0.1", "default", "kv-1", "dataplane"})), "in");
}

TEST(AwsAuthority, RefusesWhatIsForSomebodyElseBeforeAwsIsAsked) {
  House house;
  EXPECT_THAT(house.let_in(house.proof({"cp.other.local", "default", "kv-1", "dataplane"})),
              HasSubstr("control plane \"cp.other.local\""));
  EXPECT_THAT(house.let_in(house.proof({"mesh.local", "default", "kv-1", "dataplane"})),
              HasSubstr("no name of this one"));
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "other", "kv-1", "dataplane"})),
              HasSubstr("of mesh \"other\""));
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "default", "kv-2", "dataplane"})), HasSubstr("\"kv-2\""));
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "ingress"})), HasSubstr("ingress"));
  EXPECT_THAT(house.let_in(Secret()), HasSubstr("--auth-type=aws"));
  EXPECT_THAT(house.let_in(Secret("eyJhbGciOiJSUzI1NiJ9.e30.sig")), HasSubstr("dataplane token"));
  EXPECT_THAT(house.let_in(Secret("taskmesh-aws-1.!!!")), HasSubstr("base64url"));
  EXPECT_EQ(house.last, ErrorKind::Unauthenticated);
  EXPECT_EQ(house.fake.requests.size(), 0U);
}

TEST(AwsAuthority, RefusesWhatIsTooOldOrFromTheFuture) {
  House house;
  const Secret proof = house.proof();
  house.clock.advance(std::chrono::minutes(5));
  EXPECT_EQ(house.let_in(proof), "in");
  house.clock.advance(std::chrono::seconds(1));
  EXPECT_THAT(house.let_in(proof), HasSubstr("more than 5 minutes ago")) << "although it was accepted a second ago";
  EXPECT_EQ(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, std::chrono::seconds(60))),
            "in");
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, std::chrono::seconds(61))),
              HasSubstr("in the future"));
}

TEST(AwsAuthority, RefusesWhatAwsDoesNotAccept) {
  House house;
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, {}, "guessed")),
              HasSubstr("SignatureDoesNotMatch"));
  EXPECT_EQ(house.last, ErrorKind::Unauthenticated);
  house.fake.fixed = FakeAws::refusal(403, "ExpiredToken");
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, std::chrono::seconds(1))),
              HasSubstr("ExpiredToken"));
  house.fake.fixed = FakeAws::refusal(400, "ValidationError");
  EXPECT_THAT(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, std::chrono::seconds(2))),
              HasSubstr("ValidationError"));
  EXPECT_EQ(house.last, ErrorKind::Unauthenticated);
}

// Each by itself: after an answer that cannot be trusted, AWS is left alone for a while.
TEST(AwsAuthority, TrustsNoAnswerThatIsNotOne) {
  const std::string good =
      FakeAws::identity_xml("arn:aws:sts::123456789012:assumed-role/kv/task-1", "AROAKV:task-1", kAccount);
  for (const auto& answer :
       {FakeAws::xml(200, "<html/>", "text/html"), FakeAws::xml(200, good, "application/json"), FakeAws::xml(302, ""),
        FakeAws::xml(200, "x" + good), FakeAws::xml(200, good + good), FakeAws::xml(200, "<!DOCTYPE a>" + good),
        FakeAws::xml(204, ""), FakeAws::xml(500, good)}) {
    House house;
    house.fake.fixed = answer;
    EXPECT_NE(house.let_in(house.proof()), "in");
    EXPECT_EQ(house.last, ErrorKind::Unavailable);
  }
}

TEST(AwsAuthority, AcceptsTheRoleOfATaskAndNobodyElse) {
  for (const char* arn :
       {"arn:aws:iam::123456789012:user/kv", "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:federated-user/kv", "arn:aws:iam::123456789012:role/kv",
        "arn:aws:sts::123456789012:assumed-role/kv", "arn:aws:sts::123456789012:assumed-role/a/kv/task-1",
        "arn:aws:sts:eu-west-1:123456789012:assumed-role/kv/task-1", "arn:aws:s3::123456789012:assumed-role/kv/task-1",
        "kv"}) {
    House house;
    house.fake.arn = arn;
    EXPECT_NE(house.let_in(house.proof()), "in") << arn;
  }
  const auto contradicts = [](const std::string& arn, const std::string& user_id, const std::string& account) {
    return !read_identity(arn, account, user_id, "aws").has_value();
  };
  const std::string arn = "arn:aws:sts::123456789012:assumed-role/kv/task-1";
  EXPECT_FALSE(contradicts(arn, "AROAKV:task-1", kAccount));
  EXPECT_TRUE(contradicts(arn, "AROAKV:task-1", "210987654321"));
  EXPECT_TRUE(contradicts(arn, "AROAKV:task-2", kAccount));
  EXPECT_TRUE(contradicts(arn, "AIDAKV:task-1", kAccount));
  EXPECT_TRUE(contradicts(arn, "AROAKV", kAccount));
  EXPECT_TRUE(contradicts("arn:aws-cn:sts::123456789012:assumed-role/kv/task-1", "AROAKV:task-1", kAccount))
      << "another partition";
  EXPECT_TRUE(contradicts("arn:aws:sts::123456789012:assumed-role/k v/task-1", "AROAKV:task-1", kAccount));
}

TEST(AwsAuthority, AcceptsOnlyAccountsThatAreListed) {
  House house;
  house.fake.account = "210987654321";
  house.fake.arn = "arn:aws:sts::210987654321:assumed-role/kv/task-1";
  EXPECT_THAT(house.let_in(house.proof()),
              AllOf(HasSubstr("account 210987654321"), HasSubstr("KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS")));
  EXPECT_EQ(house.last, ErrorKind::Denied);
  EXPECT_EQ(house.fake.iam_calls, 0);
}

TEST(AwsAuthority, RefusesARoleThatWasMadeAnewOrHasItsNameInAnotherAccount) {
  House house;
  house.fake.roles["kv"].id = "AROANEW";
  EXPECT_THAT(house.let_in(house.proof()), HasSubstr("made anew"));
  House other;
  other.fake.roles["kv"].account = "210987654321";
  EXPECT_THAT(other.let_in(other.proof()), HasSubstr("rolesToAssumeForAccounts"));
  House gone;
  gone.fake.roles.clear();
  EXPECT_THAT(gone.let_in(gone.proof()), HasSubstr("no role"));
  EXPECT_EQ(gone.last, ErrorKind::Denied);
}

TEST(AwsAuthority, AsksOnceForAProofAndOnceForARole) {
  House house;
  const Secret proof = house.proof();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(house.let_in(proof), "in");
  EXPECT_EQ(house.fake.sts_calls, 1);
  EXPECT_EQ(house.fake.iam_calls, 1);
  EXPECT_EQ(house.let_in(house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, std::chrono::seconds(1))),
            "in");
  EXPECT_EQ(house.fake.sts_calls, 2);
  EXPECT_EQ(house.fake.iam_calls, 1);
}

TEST(AwsAuthority, AsksForARoleOnceWhenManyOfItsTasksStartTogether) {
  House house;
  // The one call for the role takes until all the others wait for it.
  const auto identity = AwsIdentity{"aws", kAccount, "kv", "AROAKV"};
  std::atomic<int> started = 0, let_in = 0;
  house.fake.on_call = [&] {
    while (started < 32) std::this_thread::yield();
  };
  {
    std::vector<std::jthread> tasks;
    for (int i = 0; i < 32; ++i) {
      tasks.emplace_back([&] {
        ++started;
        let_in += house.authority->authorise(identity, House::kv()).has_value();
      });
    }
  }
  EXPECT_EQ(let_in, 32);
  EXPECT_EQ(house.fake.iam_calls, 1);
}

TEST(AwsAuthority, SeesTagsThatWereTakenAwayWithinAMinuteAndThoseThatWereAddedSooner) {
  House house;
  EXPECT_EQ(house.let_in(house.proof()), "in");
  const auto tags = std::exchange(house.fake.roles["kv"].tags, {});
  house.clock.advance(std::chrono::seconds(51));
  EXPECT_THAT(house.let_in(house.proof()), HasSubstr("no tag kuma.io/type"));
  house.fake.roles["kv"].tags = tags;
  house.clock.advance(std::chrono::seconds(11));
  EXPECT_EQ(house.let_in(house.proof()), "in");
}

TEST(AwsAuthority, SaysWhatIsDownAndDoesNotHammerIt) {
  House house;
  house.fake.is_down = true;
  EXPECT_THAT(house.let_in(house.proof()), AllOf(HasSubstr("AWS STS"), HasSubstr("connection refused")));
  EXPECT_EQ(house.last, ErrorKind::Unavailable);
  for (int i = 1; i < 100; ++i)
    house.let_in(
        house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, std::chrono::milliseconds(600 * i / 100)));
  EXPECT_EQ(house.fake.sts_calls, 1);
  house.fake.is_down = false;
  house.clock.advance(std::chrono::seconds(2));
  EXPECT_EQ(house.let_in(house.proof()), "in");
}

TEST(AwsAuthority, KeepsWhoIsInWhileIamIsDown) {
  House house;
  const AwsIdentity identity = *house.authority->identify(house.proof(), House::kv(), "");
  ASSERT_TRUE(house.authority->authorise(identity, House::kv()));
  house.fake.is_down = true;
  house.clock.advance(std::chrono::hours(1));
  const auto asked = house.authority->authorise(identity, House::kv());
  EXPECT_EQ(asked.error().kind, ErrorKind::Unavailable) << "which is no reason to send anybody away";
}

TEST(AwsAuthority, ListensNoLongerToAnAddressThatSendsGarbage) {
  House house;
  const auto guess = [&](int number) {
    return house.let_in(
        house.proof({"cp.mesh.local", "default", "kv-1", "dataplane"}, {}, "guess" + std::to_string(number)),
        House::kv(), "10.6.6.6");
  };
  for (int i = 0; i < 100; ++i) guess(i);
  EXPECT_EQ(house.fake.sts_calls, 20);
  EXPECT_THAT(guess(100), HasSubstr("10.6.6.6"));
  EXPECT_EQ(house.let_in(house.proof()), "in") << "others do not suffer";
  house.clock.advance(std::chrono::minutes(1));
  guess(101);
  EXPECT_EQ(house.fake.sts_calls, 22);
}

TEST(AwsAuthority, ReadsTheRolesOfOtherAccountsByARoleThere) {
  House house;
  house.make({.accounts = {}, .roles = {.roles_to_assume = {{kAccount, "mesh-reader"}}}});
  const std::string keys =
      "<AssumeRoleResponse "
      "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials><AccessKeyId>ASIAREADER</"
      "AccessKeyId>"
      "<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-11-24T12:20:00Z</"
      "Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
  const Secret proof = house.proof();
  ASSERT_TRUE(house.authority->identify(proof, House::kv(), ""));
  house.fake.on_call = [&] {
    const bool is_assume = house.fake.requests.back().body.contains("AssumeRole");
    house.fake.fixed = is_assume ? std::optional(FakeAws::xml(200, keys)) : std::nullopt;
  };
  EXPECT_EQ(house.let_in(proof), "in");
  EXPECT_THAT(house.fake.requests[1].body, HasSubstr("RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fmesh-reader"));
  EXPECT_THAT(std::string(*house.fake.requests[2].headers.find("authorization")), HasSubstr("Credential=ASIAREADER/"));
}

TEST(AwsAuthoritySettings, NeedAnAccount) {
  EXPECT_THAT(check_settings({.accounts = {}, .roles = {}}).error().message(),
              HasSubstr("KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS"));
  EXPECT_THAT(check_settings({.accounts = {"12345"}, .roles = {}}).error().message(), HasSubstr("twelve digits"));
  EXPECT_THAT(check_settings({.accounts = {}, .roles = {.roles_to_assume = {{kAccount, "arn:aws:iam::1:role/x"}}}})
                  .error()
                  .message(),
              HasSubstr("name alone"));
  EXPECT_TRUE(check_settings({.accounts = {}, .roles = {.roles_to_assume = {{kAccount, "reader"}}}}));
}

}  // namespace
}  // namespace mesh
