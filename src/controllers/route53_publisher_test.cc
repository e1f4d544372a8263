#include "controllers/route53_publisher.h"

#include <gmock/gmock.h>

#include "naming/route53/fake_route53.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using route53::NameState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Fault = route53::test::FakeRoute53::Fault;

struct House {
  route53::test::FakeRoute53 aws;
  ManualClock clock{*parse_time("2026-11-24T12:00:00Z")};
  bool leads = true;
  std::uint64_t term = 1;
  Route53Publisher::States states;
  std::unique_ptr<Route53Publisher> publisher;
  std::vector<SteadyTime> called;

  explicit House(const std::string& zone_id = "Z1", const std::string& domain = "mesh.local.") {
    aws.add_zone("Z1", "mesh.local.");
    aws.add_zone("Z2", "kv.local.");
    aws.is_in_sync_at_once = true;
    Route53PublisherSettings settings;
    settings.writer = {"default", "store-1", "cp-1", 0};
    settings.timing.settle = 0s;
    settings.zone_id = zone_id;
    settings.domain = domain;
    publisher = std::make_unique<Route53Publisher>(
        settings, Route53Publisher::Needs{aws, clock, [this] { return leads; }, [this] { return term; },
                                          [this](Route53Publisher::States changed) {
                                            for (auto& [key, state] : changed) states[key] = std::move(state);
                                          }});
  }
  void run_for(Duration duration) {
    const SteadyTime end = clock.steady() + duration;
    while (clock.steady() < end) {
      const std::size_t before = aws.requests.size();
      const auto next = publisher->step();
      if (aws.requests.size() > before) called.push_back(clock.steady());
      clock.advance(std::clamp<Duration>(next.value_or(end) - clock.steady(), 1ms, end - clock.steady()));
    }
  }
};

TEST(Route53Publisher, CallsNobodyBeforeItKnowsWhatIsWanted) {
  House house;
  house.run_for(1min);
  EXPECT_THAT(house.aws.requests, IsEmpty());
}

TEST(Route53Publisher, PublishesWithinASecondOfTheFirstWish) {
  House house;
  house.publisher->want({});
  house.run_for(1min);
  house.publisher->want({{"/hostedzone/Z1", "Redis.mesh.local", "127.1.0.1", "a test"}});
  house.run_for(1s);
  EXPECT_EQ(house.aws.address("Z1", "redis.mesh.local."), "127.1.0.1");
  EXPECT_EQ((house.states[{"Z1", "redis.mesh.local."}].kind), NameState::Kind::InSync);
}

TEST(Route53Publisher, KeepsADistanceBetweenCallsOverAllZones) {
  House house;
  std::vector<WantedRecord> wanted;
  for (int n = 0; n < 2500; ++n)
    wanted.push_back(
        {n % 2 ? "Z1" : "Z2", "s" + std::to_string(n) + (n % 2 ? ".mesh.local" : ".kv.local"), "127.1.0.1", ""});
  house.publisher->want(wanted);
  house.run_for(1min);
  EXPECT_EQ(house.aws.requests.size(), 8U);  // each zone: check, page, two batches
  for (std::size_t at = 1; at < house.called.size(); ++at) EXPECT_GE(house.called[at] - house.called[at - 1], 300ms);
  EXPECT_EQ(house.publisher->figures().zones.at("Z2").owned, 1250U);
}

TEST(Route53Publisher, GivesWayWhenAwsThrottles) {
  House house;
  house.publisher->want({});
  house.run_for(5s);
  for (int n = 0; n < 3; ++n) house.aws.faults.push_back(Fault::Throttle);
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(1min);
  EXPECT_EQ(house.publisher->figures().throttles, 3U);
  EXPECT_EQ(house.aws.address("Z1", "redis.mesh.local."), "127.1.0.1");
}

TEST(Route53Publisher, DoesNothingWhileAnotherLeads) {
  House house;
  house.leads = false;
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(1min);
  EXPECT_THAT(house.aws.requests, IsEmpty());
  house.leads = true;
  house.run_for(2s);
  EXPECT_EQ(house.aws.address("Z1", "redis.mesh.local."), "127.1.0.1");
  house.leads = false;
  house.publisher->want({});
  house.run_for(1min);
  EXPECT_NE(house.aws.find("Z1", "redis.mesh.local."), nullptr);
  house.leads = true;
  ++house.term;
  house.run_for(3s);
  EXPECT_EQ(house.aws.find("Z1", "redis.mesh.local."), nullptr);
}

TEST(Route53Publisher, WithdrawsTheRecordsOfAZoneThatNobodyWantsAnyMore) {
  House house;
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}, {"Z2", "kv.kv.local", "127.1.0.2", ""}});
  house.run_for(5s);
  EXPECT_EQ(house.aws.address("Z2", "kv.kv.local."), "127.1.0.2");
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(5s);
  EXPECT_EQ(house.aws.find("Z2", "kv.kv.local."), nullptr);
  EXPECT_FALSE(house.publisher->figures().zones.contains("Z2"));
}

TEST(Route53Publisher, LeavesNothingInItsZoneWhileNothingIsWantedThere) {
  House house;
  const auto before = house.aws.zones["Z1"].records;
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(5s);
  EXPECT_NE(house.aws.zones["Z1"].records, before);
  house.publisher->want({});
  house.run_for(5s);
  EXPECT_EQ(house.aws.zones["Z1"].records, before) << "the record of who wrote last is gone, too";
  const std::size_t calls = house.aws.requests.size();
  house.run_for(10min);
  EXPECT_EQ(house.aws.requests.size(), calls) << "and then it is quiet";
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.2", ""}});
  house.run_for(5s);
  EXPECT_EQ(house.aws.address("Z1", "redis.mesh.local."), "127.1.0.2");
}

TEST(Route53Publisher, OfANewLeaderLeavesNothingEither) {
  House house;
  const auto before = house.aws.zones["Z1"].records;
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(5s);
  house.leads = false;
  house.run_for(1s);
  house.publisher->want({});
  house.leads = true;
  ++house.term;
  house.run_for(1min);
  EXPECT_EQ(house.aws.zones["Z1"].records, before);
}

TEST(Route53Publisher, SaysInWordsThatAZoneIdIsNone) {
  House house;
  house.publisher->want({{"z-1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(1s);
  EXPECT_THAT((house.states[{"z-1", "redis.mesh.local."}].reason), HasSubstr("must be the id of a hosted zone"));
}

TEST(Route53Publisher, ServesOtherZonesWhileOneIsInTrouble) {
  House house("Z1", "elsewhere.");
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""},
                         {"Z2", "kv.kv.local", "127.1.0.2", ""},
                         {"Z9", "x.y", "127.1.0.3", ""}});
  house.run_for(10s);
  EXPECT_EQ(house.aws.address("Z2", "kv.kv.local."), "127.1.0.2");
  EXPECT_THAT((house.states[{"Z1", "redis.mesh.local."}].reason), HasSubstr("does not hold the domain elsewhere"));
  EXPECT_THAT((house.states[{"Z9", "x.y."}].reason), HasSubstr("does not exist"));
  house.run_for(5min);
  EXPECT_LE(house.aws.requests.size(), 30U);
}

TEST(Route53Publisher, CountsWhatItCalls) {
  House house;
  house.aws.faults = {Fault::LostRequest};
  house.publisher->want({{"Z1", "redis.mesh.local", "127.1.0.1", ""}});
  house.run_for(5s);
  const Route53Figures figures = house.publisher->figures();
  EXPECT_THAT(figures.calls,
              ElementsAre(testing::Pair("ChangeResourceRecordSets", 1), testing::Pair("GetHostedZone", 2),
                          testing::Pair("ListResourceRecordSets", 1)));
  EXPECT_THAT(figures.failures, ElementsAre(testing::Pair("unreachable", 1)));
  EXPECT_EQ(figures.zones.at("Z1").pending, 0U);
}

TEST(Route53Publisher, EndsWithItsThread) {
  House house;
  house.publisher->want({});
  house.publisher->start();
  house.publisher.reset();
}

}  // namespace
}  // namespace mesh
