// What a start of everything at once costs at AWS.
#include <gmock/gmock.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "identity/aws_authority.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;

constexpr int kTasks = 5000, kRoles = 50, kThreads = 8;
constexpr const char* kAccount = "123456789012";

std::string role_of(int task) { return "role-" + std::to_string(10 + task % kRoles); }

wire::Response xml(int status, std::string body) {
  wire::Response out{.status = status, .headers = {}, .body = std::move(body)};
  out.headers.add("content-type", "text/xml");
  return out;
}

// AWS, for as many roles as one likes: the key that signed says which. From any thread.
struct BusyAws {
  Result<wire::Response> answer(const wire::ClientRequest& request) {
    if (request.body.contains("GetCallerIdentity")) {
      ++sts_calls;
      const std::string authorization(*request.headers.find("authorization"));
      const std::string role =
          "role-" + authorization.substr(authorization.find("Credential=ASIAEXAMPLEEXAMPLE") + 29, 2);
      return xml(
          200,
          "<GetCallerIdentityResponse "
          "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:sts::123456789012:"
          "assumed-role/" +
              role + "/task</Arn><UserId>AROA" + role +
              ":task</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
              "</GetCallerIdentityResponse>");
    }
    if (++role_calls <= throttled_calls)
      return xml(400, "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>");
    const std::string role = request.body.substr(request.body.find("RoleName=") + 9);
    return xml(200,
               "<GetRoleResponse "
               "xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/"
               "\"><GetRoleResult><Role><Arn>arn:aws:iam::123456789012:role/" +
                   role + "</Arn><RoleName>" + role + "</RoleName><RoleId>AROA" + role +
                   "</RoleId><Tags><member><Key>kuma.io/type</Key><Value>dataplane</Value></member>"
                   "<member><Key>kuma.io/mesh</Key><Value>default</Value></member></Tags></Role></GetRoleResult></"
                   "GetRoleResponse>");
  }
  std::atomic<int> sts_calls = 0, role_calls = 0;
  int throttled_calls = 0;
};

struct Fleet {
  Fleet() {
    aws::ChainNeeds needs{
        {{"AWS_ACCESS_KEY_ID", "AKIACP"}, {"AWS_SECRET_ACCESS_KEY", "s"}, {"AWS_REGION", "eu-west-1"}}, {}};
    needs.caller.clock = &clock;
    needs.caller.counters = counters;
    needs.caller.fetch = [this](const wire::ClientRequest& request) { return aws.answer(request); };
    authority = std::make_unique<AwsAuthority>(AwsAuthoritySettings{.accounts = {kAccount}, .roles = {}},
                                               std::move(needs), [] { return std::set<std::string>{"cp"}; });
    for (int task = 0; task < kTasks; ++task) {
      proofs.push_back(
          *aws::make_identity_proof({"cp", "default", name_of(task), "dataplane"},
                                    {"ASIAEXAMPLEEXAMPLE" + role_of(task).substr(5), Secret("s"), Secret("t")},
                                    *aws::find_region("eu-west-1"), aws::StsEndpoint::Regional, clock.now()));
      waiting.push_back(task);
    }
  }
  static std::string name_of(int task) { return "task-" + std::to_string(task); }

  bool let_in(int task) {
    const ProxyClaims claims{
        .type = "dataplane", .mesh = "default", .name = name_of(task), .services = {}, .workload = {}};
    const auto identity = authority->identify(proofs[static_cast<std::size_t>(task)], claims, "10.0.0.1");
    const Status allowed = identity ? authority->authorise(*identity, claims) : Status(identity.error());
    if (!allowed) {
      EXPECT_EQ(allowed.error().kind, ErrorKind::Unavailable) << allowed.error().message();
    }
    return allowed.has_value();
  }

  // Everybody who waits asks once, at the same time; who was told to come again goes on waiting.
  void round() {
    std::atomic<std::size_t> next = 0;
    std::mutex mutex;
    std::vector<int> again;
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
          for (auto at = next++; at < waiting.size(); at = next++) {
            if (let_in(waiting[at])) continue;
            std::lock_guard lock(mutex);
            again.push_back(waiting[at]);
          }
        });
      }
    }
    waiting = std::move(again);
  }

  ManualClock clock{*parse_time("2026-11-24T11:20:00Z")};
  BusyAws aws;
  std::shared_ptr<aws::CallCounters> counters = std::make_shared<aws::CallCounters>();
  std::unique_ptr<AwsAuthority> authority;
  std::vector<Secret> proofs;
  std::vector<int> waiting;
};

TEST(AwsLoad, FiveThousandTasksOfFiftyRolesAskAboutFiftyRoles) {
  Fleet fleet;
  int rounds = 0;
  for (; !fleet.waiting.empty() && rounds < 30; ++rounds) {
    fleet.round();
    fleet.clock.advance(1s);
  }
  EXPECT_TRUE(fleet.waiting.empty());
  EXPECT_EQ(fleet.aws.role_calls, kRoles);
  EXPECT_EQ(fleet.aws.sts_calls, kTasks) << "each proof is asked about once, however often its proxy comes";
  EXPECT_LE(rounds, 15) << "3,000 at once, then 300 a second";
  const auto counts = fleet.authority->counts();
  EXPECT_EQ(counts.roles.calls, static_cast<std::uint64_t>(kRoles));
  EXPECT_EQ(counts.proofs.calls, static_cast<std::uint64_t>(kTasks) + counts.held_back);
}

TEST(AwsLoad, WhenIamThrottlesItIsLeftAloneForPausesThatGrow) {
  Fleet fleet;
  fleet.aws.throttled_calls = 3;
  for (int seconds = 0; !fleet.waiting.empty() && seconds < 120; ++seconds) {
    fleet.round();
    fleet.clock.advance(1s);
  }
  EXPECT_TRUE(fleet.waiting.empty());
  // At most one call per thread was under way when the first was refused.
  EXPECT_LE(fleet.aws.role_calls, kRoles + 3 + kThreads);
  for (const auto& operation : fleet.counters->operations()) {
    if (operation.name == "GetRole") {
      EXPECT_EQ(operation.of(aws::CallResult::Throttled), 3U);
    }
  }
}

TEST(AwsLoad, WhoIsKnownNeverWaitsForAws) {
  Fleet fleet;
  EXPECT_TRUE(fleet.authority->would_wait(fleet.proofs[0]));
  EXPECT_TRUE(fleet.let_in(0));
  EXPECT_FALSE(fleet.authority->would_wait(fleet.proofs[0]));
  EXPECT_TRUE(fleet.authority->would_wait(fleet.proofs[1])) << "its own proof is new";
  fleet.clock.advance(51s);
  EXPECT_TRUE(fleet.authority->would_wait(fleet.proofs[0])) << "the tags of its role are too old";
  EXPECT_FALSE(fleet.authority->would_wait(Secret())) << "garbage is refused at once";
  EXPECT_FALSE(fleet.authority->would_wait(Secret("taskmesh-aws-1.e30")));
  fleet.clock.advance(5min);
  EXPECT_FALSE(fleet.authority->would_wait(fleet.proofs[1])) << "too old: refused at once";
}

}  // namespace
}  // namespace mesh
