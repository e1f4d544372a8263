#include "naming/route53/zone.h"

#include <gmock/gmock.h>

#include <random>

#include "naming/route53/test_zones.h"

namespace mesh::route53 {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Fault = test::FakeRoute53::Fault;
using Kind = NameState::Kind;

const std::string kRedis = "redis.mesh.local.", kDemo = "demo-app.mesh.local.", kOther = "other.mesh.local.";

aws::RecordSet foreign(const std::string& name, const std::string& address = "10.0.0.1") {
  return {.name = name, .type = "A", .set_identifier = {}, .weight = {}, .ttl = 300, .values = {address}};
}

class ZoneTest : public testing::Test {
 protected:
  ZoneTest() { aws.add_zone("Z1", "mesh.local."); }
  test::FakeRoute53 aws;
};

std::map<std::string, std::string> many(int count) {
  std::map<std::string, std::string> out;
  for (int n = 0; n < count; ++n)
    out["s" + std::to_string(n) + ".mesh.local."] =
        "127.1." + std::to_string(n / 250) + "." + std::to_string(n % 250 + 1);
  return out;
}

TEST_F(ZoneTest, IsCheckedAndReadOnceAndThenCallsOnlyWhenSomethingChanges) {
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  EXPECT_EQ(driver.state(kRedis).kind, Kind::Waiting);
  driver.run();
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
  EXPECT_EQ(aws.address("Z1", kDemo), "127.1.0.2");
  EXPECT_EQ(driver.state(kRedis).kind, Kind::Accepted);
  EXPECT_EQ(driver.state(kRedis).since, driver.now.wall);
  ASSERT_EQ(aws.requests.size(), 3U);  // check, one page, one batch
  driver.run_for(1h);
  EXPECT_EQ(aws.requests.size(), 4U);  // and one look whether the batch has reached all servers
  EXPECT_EQ(driver.state(kRedis).kind, Kind::InSync);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.run_for(1h);
  EXPECT_EQ(aws.find("Z1", kDemo), nullptr);
  EXPECT_EQ(aws.count("change"), 2U);
}

TEST_F(ZoneTest, TakesNoCallForAThousandNamesThatItDoesNotNeed) {
  test::Driver driver(aws);
  driver.want(many(1000));
  driver.run();
  EXPECT_EQ(aws.count("change"), 2U);  // 998 beside the epoch record, and the rest
  driver.want(many(1001));
  driver.run();
  EXPECT_EQ(aws.requests.size(), 5U);
  EXPECT_EQ(aws.requests.back().changes.size(), 3U);
}

TEST_F(ZoneTest, ReadsALargeZonePageByPage) {
  for (int n = 0; n < 1000; ++n) aws.put("Z1", foreign("f" + std::to_string(n) + ".mesh.local."));
  test::Driver driver(aws);
  driver.want({{"f7.mesh.local.", "127.1.0.1"}, {kRedis, "127.1.0.2"}});
  driver.run();
  EXPECT_EQ(aws.count("list"), 4U);
  EXPECT_EQ(aws.address("Z1", "f7.mesh.local."), "10.0.0.1");
  EXPECT_EQ(driver.state("f7.mesh.local.").kind, Kind::Conflict);
  EXPECT_EQ(driver.state(kRedis).kind, Kind::Accepted);
}

TEST_F(ZoneTest, MergesWhatChangesWhileABatchIsUnderWay) {
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.step(), driver.step();
  const Zone::Call first = driver.zone.next(driver.now);
  driver.want({{kDemo, "127.1.0.2"}});
  driver.want({{kDemo, "127.1.0.3"}, {kOther, "127.1.0.4"}});
  driver.answer(first);
  driver.run();
  EXPECT_EQ(aws.count("change"), 2U);
  EXPECT_EQ(aws.find("Z1", kRedis), nullptr);
  EXPECT_EQ(aws.address("Z1", kDemo), "127.1.0.3");
}

TEST_F(ZoneTest, SaysInWordsWhatIsWrongWithAZone) {
  const auto trouble = [&](ZoneSettings settings) {
    test::Driver driver(aws, std::move(settings));
    driver.want({{kRedis, "127.1.0.1"}});
    driver.run();
    EXPECT_EQ(driver.state(kRedis).kind, Kind::Blocked);
    EXPECT_EQ(driver.state(kRedis).reason, driver.zone.trouble());
    EXPECT_EQ(aws.count("change"), 0U);
    return driver.zone.trouble();
  };
  ZoneSettings settings = test::zone_settings();
  settings.zone_id = "Z9";
  EXPECT_THAT(trouble(settings), HasSubstr("hosted zone Z9 does not exist"));
  settings = test::zone_settings();
  settings.domain = "mesh.";
  EXPECT_THAT(trouble(settings),
              HasSubstr("hosted zone Z1 (mesh.local) does not hold the domain mesh; set KUMA_DNS_SERVER_DOMAIN"));
  aws.zones["Z1"].is_private = false;
  EXPECT_THAT(trouble(test::zone_settings()), HasSubstr("is public"));
  aws.faults = {Fault::Denied};
  EXPECT_THAT(
      trouble(test::zone_settings()),
      HasSubstr("needs route53:GetHostedZone, route53:ListResourceRecordSets and route53:ChangeResourceRecordSets"));
}

TEST_F(ZoneTest, LooksAgainWhenAZoneIsMendedAndSaysTheSameOnlyOnce) {
  aws.zones["Z1"].is_private = false;
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.run_for(5min);
  EXPECT_THAT(driver.notes, ElementsAre(HasSubstr("is public")));
  aws.zones["Z1"].is_private = true;
  driver.run_for(1min);
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
  EXPECT_EQ(driver.zone.trouble(), "");
}

TEST_F(ZoneTest, WarnsOfAZoneWhoseResolversKeepForLongThatANameIsNotThere) {
  aws.put("Z1", {.name = "mesh.local.",
                 .type = "SOA",
                 .set_identifier = {},
                 .weight = {},
                 .ttl = 900,
                 .values = {"ns. h. 1 7200 900 1209600 86400"}});
  test::Driver driver(aws);
  driver.run();
  EXPECT_THAT(driver.notes, ElementsAre(HasSubstr("keep \"no such name\" of hosted zone Z1 (mesh.local) for 900 s")));
}

TEST_F(ZoneTest, RefusesWhatItCannotHoldWithoutAskingRoute53) {
  test::Driver driver(aws);
  driver.want({{"redis.elsewhere.", "127.1.0.1"},
               {"six.mesh.local.", "fd00::1"},
               {"*.mesh.local.", "127.1.0.1"},
               {kRedis, "127.1.0.2"}});
  driver.run();
  EXPECT_THAT(driver.state("redis.elsewhere.").reason,
              HasSubstr("does not lie in the hosted zone, which is mesh.local"));
  EXPECT_THAT(driver.state("six.mesh.local.").reason, HasSubstr("only IPv4"));
  EXPECT_EQ(driver.state("*.mesh.local.").kind, Kind::Refused);
  EXPECT_EQ(driver.state(kRedis).kind, Kind::Accepted);
}

TEST_F(ZoneTest, LeavesOutARecordThatRoute53Names) {
  aws.is_bad = [](const aws::RecordSet& record) { return record.name == "s7.mesh.local."; };
  aws.names_the_bad = true;
  test::Driver driver(aws);
  driver.want(many(100));
  driver.run();
  EXPECT_EQ(aws.count("change"), 2U);
  EXPECT_EQ(driver.state("s7.mesh.local.").kind, Kind::Refused);
  EXPECT_THAT(driver.state("s7.mesh.local.").reason, HasSubstr("Invalid Resource Record"));
  EXPECT_EQ(driver.state("s8.mesh.local.").kind, Kind::Accepted);
}

TEST_F(ZoneTest, FindsABadRecordAmongAThousandByHalving) {
  aws.is_bad = [](const aws::RecordSet& record) {
    return record.name == "s7.mesh.local." || record.name == "s500.mesh.local.";
  };
  test::Driver driver(aws);
  driver.want(many(1000));
  driver.run();
  EXPECT_LE(aws.count("change"), 45U);
  EXPECT_EQ(driver.zone.figures().refused, 2U);
  EXPECT_EQ(driver.zone.figures().owned, 998U);
  EXPECT_THAT(driver.state("s500.mesh.local.").reason, HasSubstr("ARRDATAIllegalIPv4Address"));
  // It is tried again, without haste, and at once when it is wanted otherwise.
  const std::size_t before = aws.requests.size();
  driver.run_for(30s);
  EXPECT_LE(aws.requests.size(), before + 1);
  aws.is_bad = nullptr;
  driver.run_for(2min);
  EXPECT_EQ(driver.zone.figures().refused, 0U);
}

TEST_F(ZoneTest, PublishesOtherNamesWhileABadOneIsLookedFor) {
  aws.is_bad = [](const aws::RecordSet& record) { return record.name == "s7.mesh.local."; };
  test::Driver driver(aws);
  driver.want(many(500));
  driver.step(), driver.step(), driver.step();  // refused
  auto wanted = many(500);
  wanted[kRedis] = "127.9.0.1";
  driver.want(wanted);
  driver.step(), driver.step(), driver.step();
  EXPECT_EQ(aws.address("Z1", kRedis), "127.9.0.1");
}

TEST_F(ZoneTest, TakesARecordThatCameMeanwhileForWhatItIs) {
  test::Driver driver(aws);
  driver.run();
  aws.put("Z1", foreign(kRedis));
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  driver.run();
  EXPECT_EQ(aws.address("Z1", kRedis), "10.0.0.1");
  EXPECT_EQ(driver.state(kRedis).kind, Kind::Conflict);
  EXPECT_EQ(aws.address("Z1", kDemo), "127.1.0.2");
}

TEST_F(ZoneTest, WithdrawsWhatSomebodyElseWithdrewAlready) {
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  driver.run();
  std::erase_if(aws.zones["Z1"].records, [](const auto& entry) { return std::get<0>(entry.first) == kRedis; });
  driver.want({});
  driver.run();
  EXPECT_EQ(aws.find("Z1", kDemo), nullptr);
  EXPECT_EQ(driver.zone.figures().owned, 0U);
  EXPECT_TRUE(driver.zone.is_done());
}

TEST_F(ZoneTest, ThatIsLeftForGoodKeepsNothingOfOurs) {
  aws.put("Z1", foreign(kOther));
  const auto before = aws.zones["Z1"].records;
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.run();
  driver.want({});
  driver.run();
  EXPECT_FALSE(driver.zone.is_read() && aws.zones["Z1"].records == before);
  driver.zone.leave(true);
  aws.faults = {Fault::LostAnswer};
  driver.run_for(1min);
  EXPECT_EQ(aws.zones["Z1"].records, before);
  EXPECT_TRUE(driver.zone.is_done());
}

TEST_F(ZoneTest, PausesAsTheSettingsSayWhenItIsThrottled) {
  test::Driver driver(aws);
  driver.run();
  driver.want({{kRedis, "127.1.0.1"}});
  aws.faults = {Fault::Throttle, Fault::PriorRequest, Fault::Throttle};
  driver.run();
  EXPECT_EQ(driver.zone.wake(driver.now), driver.now.steady + 1s);
  driver.advance(1s);
  driver.run();
  EXPECT_EQ(driver.zone.wake(driver.now), driver.now.steady + 2s);
  driver.advance(2s);
  driver.run();
  EXPECT_EQ(driver.zone.wake(driver.now), driver.now.steady + 10s);  // both retries are used up
  driver.advance(10s);
  driver.run();
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
}

TEST_F(ZoneTest, SpreadsItsPauses) {
  ZoneSettings settings = test::zone_settings();
  settings.timing.random = [] { return 1.0; };
  test::Driver driver(aws, settings);
  aws.faults = {Fault::Throttle};
  driver.run();
  EXPECT_EQ(driver.zone.wake(driver.now), driver.now.steady + 1200ms);
}

TEST_F(ZoneTest, LearnsFromTheEpochRecordThatABatchWithoutAnAnswerWasApplied) {
  test::Driver driver(aws);
  driver.run();
  driver.want({{kRedis, "127.1.0.1"}});
  aws.faults = {Fault::LostAnswer};
  driver.run();
  EXPECT_EQ(driver.state(kRedis).kind, Kind::Blocked);  // nobody knows yet
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  driver.run_for(1min);
  EXPECT_EQ(driver.state(kRedis).kind, Kind::InSync);
  EXPECT_EQ(aws.address("Z1", kDemo), "127.1.0.2");
  EXPECT_EQ(aws.count("change"), 3U);  // lost, refused, applied
}

TEST_F(ZoneTest, SendsABatchThatWasLostOnceMore) {
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.step(), driver.step();
  aws.faults = {Fault::LostRequest};
  driver.run_for(10s);
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
  EXPECT_EQ(aws.count("list"), 1U);
}

TEST_F(ZoneTest, OfAStaleLeaderChangesNothing) {
  test::Driver old_leader(aws, test::zone_settings("cp-1", 1));
  old_leader.want({{kRedis, "127.1.0.1"}});
  old_leader.run();
  old_leader.want({{kRedis, "127.1.0.66"}, {kOther, "127.1.0.67"}});
  const Zone::Call stale = old_leader.zone.next(old_leader.now);  // under way when it was paused
  ASSERT_EQ(stale.what, Zone::Call::What::Change);

  test::Driver new_leader(aws, test::zone_settings("cp-2", 2));
  new_leader.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  new_leader.run();
  const auto held = aws.zones["Z1"].records;
  old_leader.answer(stale);
  old_leader.run_for(5min);  // it believes that it leads
  EXPECT_EQ(aws.zones["Z1"].records, held);
  EXPECT_THAT(old_leader.zone.trouble(), HasSubstr("a newer leader writes"));
  new_leader.want({{kRedis, "127.1.0.3"}});
  new_leader.run();
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.3");
}

TEST_F(ZoneTest, IsClaimedByANewLeaderEvenWhenItHasNothingToChange) {
  test::Driver old_leader(aws, test::zone_settings("cp-1", 1));
  old_leader.want({{kRedis, "127.1.0.1"}});
  old_leader.run();
  old_leader.want({{kRedis, "127.1.0.66"}});
  const Zone::Call stale = old_leader.zone.next(old_leader.now);
  test::Driver new_leader(aws, test::zone_settings("cp-2", 2));
  new_leader.want({{kRedis, "127.1.0.1"}});
  new_leader.run();
  old_leader.answer(stale);
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
}

TEST_F(ZoneTest, IsLeftToAnotherDeploymentThatTookItOver) {
  test::Driver first(aws, test::zone_settings("cp-1", 0, "store-1"));
  first.want({{kRedis, "127.1.0.1"}});
  first.run();
  test::Driver second(aws, test::zone_settings("cp-2", 0, "store-2"));
  second.want({{kRedis, "127.1.0.2"}});
  second.run();
  EXPECT_THAT(second.notes, ElementsAre(HasSubstr("another store")));
  first.want({{kRedis, "127.1.0.3"}});
  first.run_for(10min);
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.2");
  EXPECT_THAT(first.zone.trouble(), HasSubstr("KUMA_MULTIZONE_ZONE_NAME"));
}

TEST_F(ZoneTest, KeepsForAWhileWhatAnEarlierControlPlaneLeft) {
  test::Driver before(aws);
  before.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}, {kOther, "127.1.0.3"}});
  before.run();
  ZoneSettings settings = test::zone_settings("cp-2", 2);
  settings.timing.settle = 30s;
  test::Driver driver(aws, settings);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.run();
  EXPECT_NE(aws.find("Z1", kDemo), nullptr);
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  driver.want({{kRedis, "127.1.0.1"}});  // was there again, and goes: that is no longer the start
  driver.run();
  EXPECT_EQ(aws.find("Z1", kDemo), nullptr);
  EXPECT_NE(aws.find("Z1", kOther), nullptr);
  driver.run_for(31s);
  EXPECT_EQ(aws.find("Z1", kOther), nullptr);
}

TEST_F(ZoneTest, FindsAndRepairsWhatSomebodyElseChanged) {
  ZoneSettings settings = test::zone_settings();
  settings.timing.drift_scan_interval = 10min;
  aws.page = 2;
  test::Driver driver(aws, settings);
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}, {kOther, "127.1.0.3"}});
  driver.run();
  std::erase_if(aws.zones["Z1"].records, [](const auto& entry) { return std::get<0>(entry.first) == kRedis; });
  for (auto& [key, record] : aws.zones["Z1"].records)
    if (record.name == kDemo) record.values = {"6.6.6.6"};
  driver.run_for(9min);
  EXPECT_EQ(aws.address("Z1", kDemo), "6.6.6.6");
  driver.run_for(2min);
  EXPECT_EQ(aws.address("Z1", kDemo), "127.1.0.2");
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
  EXPECT_EQ(driver.zone.figures().drifted, 2U);
}

TEST_F(ZoneTest, GivesUpAskingForChangesWhereThatIsNotGranted) {
  aws.grants_get_change = false;
  test::Driver driver(aws);
  driver.want({{kRedis, "127.1.0.1"}});
  driver.run_for(1h);
  driver.want({{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}});
  driver.run_for(1h);
  EXPECT_EQ(aws.count("get"), 1U);
  EXPECT_EQ(driver.state(kDemo).kind, Kind::Accepted);
  EXPECT_EQ(driver.zone.trouble(), "");
}

TEST_F(ZoneTest, ThatIsFullStillLetsRecordsGo) {
  aws.quota = 12;
  test::Driver driver(aws);
  driver.want(many(10));
  driver.run();
  driver.want(
      {{kRedis, "127.1.0.1"}, {kDemo, "127.1.0.2"}, {"s0.mesh.local.", "127.1.0.1"}, {"s1.mesh.local.", "127.1.0.9"}});
  driver.run_for(5min);
  EXPECT_EQ(aws.address("Z1", kRedis), "127.1.0.1");
  EXPECT_EQ(aws.address("Z1", "s1.mesh.local."), "127.1.0.9");
  EXPECT_EQ(driver.zone.figures().owned, 4U);
}

// Whatever happens: what is wanted gets there in the end, records of others stay as they are, batches keep the limits.
TEST_F(ZoneTest, ConvergesWhateverHappens) {
  for (unsigned seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    test::FakeRoute53 route53;
    route53.add_zone("Z1", "mesh.local.");
    route53.page = 1 + random() % 20;
    route53.names_the_bad = random() % 2 == 0;
    const std::string bad = "s" + std::to_string(random() % 40) + ".mesh.local.";
    if (random() % 2) route53.is_bad = [&](const aws::RecordSet& record) { return record.name == bad; };
    bool faulty = true;
    route53.fault = [&](const auto&) {
      return faulty && random() % 3 == 0 ? static_cast<Fault>(random() % 5) : Fault::None;
    };
    ZoneSettings settings = test::zone_settings();
    settings.timing.drift_scan_interval = 20min;
    auto driver = std::make_unique<test::Driver>(route53, settings);
    std::map<std::string, std::string> wanted, others;
    for (int round = 0; round < 30; ++round) {
      const std::string name = "s" + std::to_string(random() % 40) + ".mesh.local.";
      switch (random() % 7) {
        case 0: wanted.erase(name); break;
        case 1:
          if (route53.find("Z1", name) == nullptr) {
            route53.put("Z1", foreign(name));
            others[name] = "10.0.0.1";
          }
          break;
        case 2:
          for (auto& [_, record] : route53.zones["Z1"].records)
            if (record.name == name && !others.contains(name)) record.ttl = 77;
          break;
        case 3:
          if (!others.contains(name))
            std::erase_if(route53.zones["Z1"].records,
                          [&](const auto& entry) { return std::get<0>(entry.first) == name; });
          break;
        case 4:  // another leader
          settings.writer.instance += "x";
          ++settings.writer.term;
          driver = std::make_unique<test::Driver>(route53, settings);
          break;
        default: wanted[name] = "127.1.0." + std::to_string(1 + random() % 200);
      }
      driver->want(wanted);
      driver->run(static_cast<int>(random() % 6));
      driver->advance(std::chrono::seconds(random() % 20));
    }
    faulty = false;
    driver->run_for(90min);
    for (const auto& [name, address] : wanted) {
      if (others.contains(name)) {
        EXPECT_EQ(driver->state(name).kind, Kind::Conflict) << name;
      } else if (name == bad && route53.is_bad) {
        EXPECT_EQ(driver->state(name).kind, Kind::Refused);
      } else {
        EXPECT_EQ(route53.address("Z1", name), address)
            << name << ": " << driver->state(name).reason << driver->zone.trouble();
      }
    }
    for (const auto& [name, address] : others) EXPECT_EQ(route53.address("Z1", name), address);
    for (const auto& [_, record] : route53.zones["Z1"].records) {
      EXPECT_TRUE(record.type != "A" || wanted.contains(record.name) || others.contains(record.name)) << record.name;
    }
    for (const auto& request : route53.requests) {
      aws::BatchSize size;
      for (const auto& change : request.changes) size += aws::size_of(change);
      EXPECT_LE(size.records, 1000U);
    }
  }
}

}  // namespace
}  // namespace mesh::route53
