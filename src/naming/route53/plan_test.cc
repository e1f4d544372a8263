#include "naming/route53/plan.h"

#include <gmock/gmock.h>

#include <random>

#include "naming/route53/epoch.h"
#include "naming/route53/record_names.h"

namespace mesh::route53 {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using Action = aws::RecordChange::Action;

const RecordStyle kStyle{"default", "mesh.local.", 60};

aws::RecordSet record(const std::string& name, const std::string& type, std::vector<std::string> values,
                      std::uint32_t ttl = 300) {
  return {.name = name, .type = type, .set_identifier = {}, .weight = {}, .ttl = ttl, .values = std::move(values)};
}
aws::RecordSet ours(const std::string& name, const std::string& address) {
  return address_record(kStyle, name, address);
}

Holdings holding(std::vector<aws::RecordSet> records) {
  Holdings out;
  for (auto& one : records) out.add(kStyle, std::move(one));
  return out;
}
std::vector<std::string> in_words(const std::vector<aws::RecordChange>& changes) {
  std::vector<std::string> out;
  for (const auto& change : changes)
    out.push_back(std::string(aws::action_name(change.action)) + " " + change.record.name + " " +
                  change.record.values.front());
  return out;
}

TEST(Plan, CreatesWhatIsMissingCorrectsWhatDiffersAndRemovesWhatNobodyWants) {
  const Holdings held = holding(
      {ours("a.mesh.local.", "127.1.0.1"), ours("b.mesh.local.", "127.1.0.2"), ours("c.mesh.local.", "127.1.0.3")});
  const Plan plan = make_plan(kStyle,
                              {{"a.mesh.local.", {"127.1.0.1", ""}},
                               {"b.mesh.local.", {"127.1.0.9", ""}},
                               {"d.mesh.local.", {"127.1.0.4", ""}}},
                              held);
  EXPECT_THAT(in_words(plan.changes), ElementsAre("UPSERT b.mesh.local. 127.1.0.9", "CREATE d.mesh.local. 127.1.0.4",
                                                  "DELETE c.mesh.local. 127.1.0.3"));
  EXPECT_THAT(plan.conflicts, IsEmpty());
}

TEST(Plan, LeavesRecordsOfOthersAloneAndSaysSo) {
  aws::RecordSet weighted = record("weighted.mesh.local.", "A", {"10.0.0.2"});
  weighted.set_identifier = "blue";
  aws::RecordSet moved = ours("a.mesh.local.", "127.1.0.1");  // our identifier under another name is not ours
  moved.name = "copied.mesh.local.";
  const Holdings held =
      holding({record("plain.mesh.local.", "A", {"10.0.0.1"}), weighted, record("alias.mesh.local.", "CNAME", {"x."}),
               moved, address_record({"east", "mesh.local.", 60}, "east.mesh.local.", "127.1.0.7"),
               record("text.mesh.local.", "TXT", {"\"x\""})});
  std::map<std::string, Desired> wanted;
  for (const char* name : {"plain", "weighted", "alias", "copied", "east", "text"})
    wanted[std::string(name) + ".mesh.local."] = {"127.1.0.1", ""};
  const Plan plan = make_plan(kStyle, wanted, held);
  EXPECT_THAT(in_words(plan.changes),
              ElementsAre("CREATE text.mesh.local. 127.1.0.1"));  // a TXT record is in nobody's way
  EXPECT_THAT(plan.conflicts, testing::SizeIs(5));
  EXPECT_THAT(plan.conflicts.at("plain.mesh.local."),
              HasSubstr("an A record that is not ours for plain.mesh.local; it is left as it is"));
  EXPECT_THAT(plan.conflicts.at("alias.mesh.local."), HasSubstr("CNAME"));
  EXPECT_THAT(plan.conflicts.at("east.mesh.local."), HasSubstr("the control plane of zone \"east\" owns"));
  EXPECT_THAT(make_plan(kStyle, {}, held).changes, IsEmpty());
}

TEST(Plan, MakesOfWhatSomebodyAddedToOurRecordAPlainOneBeforeItGoes) {
  aws::RecordSet changed = ours("a.mesh.local.", "127.1.0.1");
  changed.is_special = true;
  EXPECT_THAT(in_words(make_plan(kStyle, {}, holding({changed})).changes),
              ElementsAre("UPSERT a.mesh.local. 127.1.0.1"));
}

TEST(Holdings, KnowTheEpochRecordAndHowLongResolversKeepThatANameIsNotThere) {
  const Holdings held = holding({record("mesh.local.", "SOA", {"ns-1. hostmaster. 1 7200 900 1209600 86400"}, 900),
                                 epoch_record({1, 2, "i", "s"}, "default", "mesh.local."),
                                 epoch_record({5, 6, "i", "s"}, "east", "mesh.local.")});
  EXPECT_EQ(held.negative_ttl, 900U);
  EXPECT_EQ(held.records, 3U);
  ASSERT_TRUE(held.epoch);
  EXPECT_EQ(read_epoch(*held.epoch)->batch, 2U);
}

TEST(Epoch, IsReadBackAndNothingElseIs) {
  const Epoch epoch{7, 42, "instance-1", "store-1"};
  EXPECT_EQ(read_epoch(epoch_record(epoch, "default", "mesh.local.")), epoch);
  EXPECT_EQ(epoch_record(epoch, "default", "mesh.local.").name, "default._taskmesh.mesh.local.");
  for (const char* text :
       {"", "\"v=spf1 -all\"", "\"taskmesh epoch\"", "\"taskmesh epoch term=1 batch=x instance=a store=b\"",
        "\"taskmesh epoch term=1 batch=2 instance=a store=b c\"",
        "\"taskmesh epoch term=-1 batch=2 instance=a store=b\"", "taskmesh epoch term=1 batch=2 instance=a store=b"}) {
    EXPECT_FALSE(read_epoch(record("x.", "TXT", {text}))) << text;
  }
}

TEST(Batches, NeverExceedWhatRoute53Takes) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<aws::RecordChange> changes;
    for (auto count = random() % 3000; count > 0; --count) {
      aws::RecordChange change{static_cast<Action>(random() % 3),
                               record("n" + std::to_string(count) + ".mesh.local.", "A", {})};
      for (auto values = 1 + random() % 2; values > 0; --values)
        change.record.values.emplace_back(1 + random() % 60, 'x');
      changes.push_back(std::move(change));
    }
    std::size_t sent = 0;
    while (sent < changes.size()) {
      std::vector<aws::RecordChange> batch =
          take_batch({changes.begin() + static_cast<std::ptrdiff_t>(sent), changes.end()}, kBatchLimit);
      ASSERT_FALSE(batch.empty());
      sent += batch.size();
      add_epoch(batch,
                epoch_record({~0ULL, ~0ULL, std::string(36, 'i'), std::string(36, 's')}, "default", "mesh.local."),
                epoch_record({~0ULL, ~0ULL, std::string(36, 'i'), std::string(36, 's')}, "default", "mesh.local."));
      aws::BatchSize size;
      for (const auto& change : batch) size += aws::size_of(change);
      EXPECT_LE(size.records, 1000U);
      EXPECT_LE(size.characters, 32'000U);
    }
  }
}

TEST(Plan, AppliedLeadsToWhatIsWantedAndThenToNothing) {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<aws::RecordSet> records;
    std::map<std::string, Desired> wanted;
    for (int n = 0; n < 40; ++n) {
      const std::string name = "n" + std::to_string(n) + ".mesh.local.",
                        address = "127.1.0." + std::to_string(random() % 3);
      if (random() % 2) wanted[name] = {address, ""};
      if (random() % 3 == 0)
        records.push_back(ours(name, "127.1.0." + std::to_string(random() % 3)));
      else if (random() % 8 == 0)
        records.push_back(record(name, random() % 2 ? "A" : "CNAME", {"10.0.0.1"}));
    }
    Holdings held = holding(records);
    const auto foreign = held.foreign;
    for (Plan plan = make_plan(kStyle, wanted, held); !plan.changes.empty(); plan = make_plan(kStyle, wanted, held))
      apply(take_batch(plan.changes, {7, 32'000}), kStyle, held);
    EXPECT_EQ(held.foreign, foreign);
    for (const auto& [name, desired] : wanted) {
      ASSERT_EQ(held.ours.contains(name), !foreign.contains(name));
      if (foreign.contains(name)) continue;
      EXPECT_EQ(held.ours.at(name), ours(name, desired.address));
    }
    for (const auto& [name, _] : held.ours) EXPECT_TRUE(wanted.contains(name));
  }
}

TEST(BlamedNames, AreFoundInTheWordsOfRoute53) {
  EXPECT_THAT(
      blamed_names({"[Tried to create resource record set [name='A.mesh.local.', type='A', set-identifier='x'] but it "
                    "already exists, Tried to delete "
                    "resource record set [name='b.mesh.local.', type='A'] but it was not found]"}),
      ElementsAre(Pair("a.mesh.local.",
                       "Tried to create resource record set [name='A.mesh.local.', type='A', set-identifier='x'] but "
                       "it already exists"),
                  Pair("b.mesh.local.",
                       "Tried to delete resource record set [name='b.mesh.local.', type='A'] but it was not found")));
  EXPECT_THAT(blamed_names({"[RRSet with DNS name c.other. is not permitted in zone mesh.local.]"}),
              ElementsAre(Pair("c.other.", "RRSet with DNS name c.other. is not permitted in zone mesh.local.")));
  EXPECT_THAT(blamed_names({"Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address'"}),
              ElementsAre(Pair("", HasSubstr("ARRDATA"))));
  EXPECT_THAT(blamed_names({}), IsEmpty());
}

TEST(RecordNames, AreReadAsRoute53WritesThem) {
  EXPECT_EQ(record_name("Redis.Mesh.Local"), "redis.mesh.local.");
  EXPECT_EQ(record_name("\\052.mesh.local."), "*.mesh.local.");
  EXPECT_TRUE(is_in_zone("a.mesh.local.", "mesh.local."));
  EXPECT_TRUE(is_in_zone("mesh.local.", "mesh.local."));
  EXPECT_FALSE(is_in_zone("amesh.local.", "mesh.local."));
  EXPECT_TRUE(check_record_name("demo-app_kuma-demo_svc_5000.mesh.local."));
  for (const std::string& name : {std::string("."), std::string("a..b."), std::string("*.mesh.local."),
                                  std::string("-a.b."), std::string(64, 'a') + ".b.", std::string("a b.")})
    EXPECT_FALSE(check_record_name(name)) << name;
  EXPECT_TRUE(check_record_address("127.1.0.1"));
  EXPECT_THAT(check_record_address("fd00::1").error().message(), HasSubstr("only IPv4"));
  EXPECT_FALSE(check_record_address("127.1"));
}

}  // namespace
}  // namespace mesh::route53
