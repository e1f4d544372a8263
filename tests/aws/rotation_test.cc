// Ten minutes of a task whose keys rotate, in simulated time: what the sidecar signs, the control plane's door accepts
// at every second, though nothing is remembered there, the keys live six minutes and AWS honours a signature for five.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "dpserver/aws_authenticator.h"
#include "dpserver/test_house.h"
#include "sidecar/role_proof.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

wire::Response answer(int status, std::string body, const std::string& type = "text/xml") {
  wire::Response out{.status = status, .headers = {}, .body = std::move(body)};
  out.headers.add("content-type", type);
  return out;
}

// The agent of ECS, STS and IAM. STS believes what was signed with keys that the agent gave, while these and the
// signature are young enough.
class Aws {
 public:
  explicit Aws(const Clock& clock) : clock_(clock) {}

  Result<wire::Response> fetch(const wire::ClientRequest& request) {
    if (request.url.find("169.254.170.2") != std::string::npos) return issue();
    return request.body.find("GetCallerIdentity") != std::string::npos ? identity(request) : role();
  }

  Duration keys_live = 6min;
  bool is_agent_down = false;
  int issued = 0;

 private:
  struct Session {
    aws::KeyPair keys;
    SystemTime expires;
  };

  Result<wire::Response> issue() {
    if (is_agent_down) return error(ErrorKind::Unavailable, "the agent is down");
    const std::string key = fmt::format("ASIAEXAMPLE{:09}", ++issued);
    const SystemTime expires = std::chrono::floor<std::chrono::seconds>(clock_.now() + keys_live);
    sessions_.emplace(
        key, Session{{key, Secret(fmt::format("secret-{}", issued)), Secret(fmt::format("token{}", issued))}, expires});
    return answer(
        200,
        fmt::format(
            R"({{"RoleArn":"arn:aws:iam::123456789012:role/kv","AccessKeyId":"{}","SecretAccessKey":"secret-{}","Token":"token{}","Expiration":"{}"}})",
            key, issued, issued, format_time(expires)),
        "application/json");
  }

  wire::Response identity(const wire::ClientRequest& request) const {
    const auto header = [&](const char* name) { return std::string(*request.headers.find(name)); };
    const auto refusal = [](const std::string& code) {
      return answer(403, "<ErrorResponse><Error><Type>Sender</Type><Code>" + code +
                             "</Code><Message>no</Message></Error></ErrorResponse>");
    };
    const std::string authorization = header("authorization");
    const auto begin = authorization.find("Credential=") + 11;
    const auto session = sessions_.find(authorization.substr(begin, authorization.find('/', begin) - begin));
    if (session == sessions_.end() || session->second.keys.session_token.reveal() != header("x-amz-security-token"))
      return refusal("InvalidClientTokenId");
    if (clock_.now() >= session->second.expires) return refusal("ExpiredToken");
    const auto date = aws::parse_amz_date(header("x-amz-date"));
    if (!date || clock_.now() - *date > 5min) return refusal("SignatureDoesNotMatch");
    aws::SigningRequest signing{
        .method = request.method, .path = "/", .query = {}, .headers = {}, .body = request.body};
    for (const char* name : {"Host", "Content-Type", "X-Taskmesh-Binding"})
      signing.headers.emplace_back(name, header(name));
    const auto expected = aws::sign(signing, session->second.keys, {"eu-west-1", "sts"}, *date);
    if (authorization != expected.headers.back().second) return refusal("SignatureDoesNotMatch");
    return answer(
        200,
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"
        "<Arn>arn:aws:sts::123456789012:assumed-role/kv/t</Arn><UserId>AROAKV:t</UserId><Account>123456789012</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>");
  }

  static wire::Response role() {
    return answer(200,
                  "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role>"
                  "<Arn>arn:aws:iam::123456789012:role/kv</Arn><RoleName>kv</RoleName><RoleId>AROAKV</RoleId><Tags>"
                  "<member><Key>kuma.io/type</Key><Value>dataplane</Value></member>"
                  "<member><Key>kuma.io/mesh</Key><Value>default</Value></member></Tags></Role></GetRoleResult></"
                  "GetRoleResponse>");
  }

  const Clock& clock_;
  std::map<std::string, Session> sessions_;
};

// A task with its sidecar's proof, and the doors of control planes.
struct Trial {
  test::House house;
  Aws aws{house.clock};
  Secret token;  // the file that Envoy reads for each of its streams
  sidecar::RoleProof proof{needs({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x"}, {"AWS_REGION", "eu-west-1"}}),
                           {.audience = "cp", .mesh = "default", .name = "kv-1", .type = "dataplane"},
                           [this](const Secret& made) {
                             token = made;
                             return Status();
                           }};

  aws::ChainNeeds needs(aws::Environment environment) {
    aws::ChainNeeds out{std::move(environment), {}};
    out.caller.clock = &house.clock;
    out.caller.fetch = [this](const wire::ClientRequest& request) { return aws.fetch(request); };
    return out;
  }
  std::unique_ptr<AwsAuthenticator> door() {
    return std::make_unique<AwsAuthenticator>(
        AwsAuthoritySettings{.accounts = {"123456789012"}, .roles = {}},
        needs({{"AWS_ACCESS_KEY_ID", "AKIACP"}, {"AWS_SECRET_ACCESS_KEY", "s"}, {"AWS_REGION", "eu-west-1"}}),
        [] { return std::set<std::string>{"cp"}; });
  }
  std::string sign() {
    const Status status = proof.sign();
    return status ? "signed" : status.error().message();
  }
  std::string open_stream(const AwsAuthenticator& door) {
    const Gatekeeper gatekeeper(door, house.store, house.admission, house.kinds);
    const Status status =
        gatekeeper.let_in(test::node("kv-1", test::dataplane_json("kv-1", "kv")), test::with_token(token), "10.0.0.9");
    return status ? "in" : status.error().message();
  }
  Status recheck(const AwsAuthenticator& door) {
    const Gatekeeper gatekeeper(door, house.store, house.admission, house.kinds);
    return door.recheck(*gatekeeper.find_resource({"default", "kv-1"}));
  }
};

TEST(Rotation, TenMinutesOfItKeepNoStreamOut) {
  Trial trial;
  ASSERT_EQ(trial.sign(), "signed");
  const auto first = trial.door();  // that of the control plane which it is connected to
  ASSERT_EQ(trial.open_stream(*first), "in");
  SystemTime sign_at = trial.house.clock.now() + trial.proof.until_next();
  std::set<std::string> seen;
  for (int second = 0; second < 600; ++second) {
    SCOPED_TRACE(second);
    trial.aws.is_agent_down = second >= 200 && second < 300;
    if (trial.house.clock.now() >= sign_at) {
      EXPECT_EQ(trial.sign(), "signed");
      sign_at = trial.house.clock.now() + trial.proof.until_next();
    }
    seen.insert(trial.token.reveal());
    // As after a restart, or at another control plane: it knows nobody yet.
    EXPECT_EQ(trial.open_stream(*trial.door()), "in");
    if (second % 10 == 0) {
      EXPECT_TRUE(trial.recheck(*first));
    }
    trial.house.clock.advance(1s);
  }
  EXPECT_GE(trial.aws.issued, 4) << "keys rotated";
  EXPECT_GE(seen.size(), 5U) << "and proofs";
}

TEST(Rotation, IsNeeded) {
  Trial trial;
  ASSERT_EQ(trial.sign(), "signed");
  trial.house.clock.advance(4min + 59s);
  EXPECT_EQ(trial.open_stream(*trial.door()), "in");
  trial.house.clock.advance(2s);
  EXPECT_THAT(trial.open_stream(*trial.door()), HasSubstr("more than 5 minutes ago"));
  trial.aws.keys_live = 1min;
  ASSERT_EQ(trial.sign(), "signed");
  EXPECT_LE(trial.proof.until_next(), 30s);
  trial.house.clock.advance(61s);
  EXPECT_THAT(trial.open_stream(*trial.door()), HasSubstr("ExpiredToken"));
}

}  // namespace
}  // namespace mesh
