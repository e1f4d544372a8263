#include "insight/insight_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

const ProxyId kProxy{"default", "web-1"};
const SystemTime kStart{std::chrono::seconds(1'800'000'000)};

class InsightBookTest : public testing::Test {
 protected:
  void connect(std::uint64_t stream, const std::string& metadata = "{}") {
    book.on_connected(stream, {kProxy, metadata, "1.40.0", "abc/1.40.0"}, kStart);
  }
  const DataplaneInsight& row() const { return *book.find(kProxy); }
  const SubscriptionStatus& status() const { return row().subscriptions.back().status; }

  InsightBook book{InsightSettings{.instance_id = "cp-1"}};
};

TEST_F(InsightBookTest, AConnectionIsAnOpenSubscriptionOfThisInstance) {
  connect(1, R"({"version": {"kumaDp": {"version": "2.14.3"}, "envoy": {"version": "1.41.0"}}, "features": ["x"]})");
  ASSERT_THAT(row().subscriptions, SizeIs(1));
  EXPECT_TRUE(row().is_online());
  EXPECT_EQ(row().subscriptions[0].control_plane_instance_id, "cp-1");
  EXPECT_EQ(row().subscriptions[0].version->kuma_dp->version, "2.14.3");
  EXPECT_EQ(row().subscriptions[0].version->envoy->version, "1.41.0");
  EXPECT_EQ(row().subscriptions[0].version->envoy->build, "abc/1.40.0");
  EXPECT_EQ(book.urgency(), Urgency::Soon);
}

TEST_F(InsightBookTest, AnswersAreCountedByTypeAndInTotal) {
  connect(1);
  book.on_sent(1, DiscoveryKind::Cluster, kStart);
  book.on_sent(1, DiscoveryKind::Secret, kStart);
  book.on_acknowledged(1, DiscoveryKind::Cluster, kStart + 1s);
  EXPECT_EQ(*status().total, (DiscoveryStats{2, 1, 0}));
  EXPECT_EQ(*status().cds, (DiscoveryStats{1, 1, 0}));
  EXPECT_EQ(status().last_update_time, kStart + 1s);
}

TEST_F(InsightBookTest, ARefusalIsKeptWithItsReason) {
  connect(1);
  book.take_changed();
  book.on_refused(1, DiscoveryKind::Listener, "unknown cipher suite", kStart + 2s);
  EXPECT_EQ(status().lds->responses_rejected, 1U);
  EXPECT_EQ(*status().last_rejection, (Rejection{kStart + 2s, "Listener", "unknown cipher suite"}));
  EXPECT_EQ(book.urgency(), Urgency::Soon);
}

TEST_F(InsightBookTest, CountersDoNotRideAlongWithWhatIsUrgent) {
  connect(1);
  const ProxyId other{"default", "web-2"};
  book.on_connected(2, {other, "{}", "1.40.0", "abc/1.40.0"}, kStart);
  book.take_changed();
  book.on_sent(1, DiscoveryKind::Cluster, kStart);
  book.on_sent(2, DiscoveryKind::Cluster, kStart);
  book.on_live(other, true);
  EXPECT_EQ(book.urgency(), Urgency::AtOnce);
  EXPECT_THAT(book.take_changed(Urgency::AtOnce), ElementsAre(Pair(other, testing::_)));
  EXPECT_EQ(book.urgency(), Urgency::Later);
  EXPECT_THAT(book.take_changed(), ElementsAre(Pair(kProxy, testing::_)));
  EXPECT_EQ(book.urgency(), Urgency::None);
}

TEST_F(InsightBookTest, KeepsTheNewestSubscriptionsOnly) {
  for (std::uint64_t stream = 1; stream <= 4; ++stream) {
    connect(stream);
    book.on_disconnected(stream, kStart + std::chrono::seconds(stream));
  }
  ASSERT_THAT(row().subscriptions, SizeIs(2));
  EXPECT_EQ(row().subscriptions.back().disconnect_time, kStart + 4s);
  EXPECT_FALSE(row().is_online());
}

TEST_F(InsightBookTest, ASecondStreamOfAProxyDoesNotEndTheFirst) {
  connect(1);
  connect(2);
  EXPECT_TRUE(row().subscriptions[0].is_online());
  book.on_disconnected(1, kStart);
  EXPECT_TRUE(row().is_online());
}

TEST_F(InsightBookTest, WhatAnEarlierControlPlaneLeftOpenIsClosedWhenTheProxyComesBackOrDoesNot) {
  DataplaneInsight left;
  left.subscriptions.push_back({.id = "old", .control_plane_instance_id = "cp-0"});
  const ProxyId other{"default", "web-2"};
  const auto row_before = std::make_shared<const DataplaneInsight>(left);
  book.load(kProxy, row_before);
  book.load(other, row_before);
  connect(1);
  EXPECT_EQ(row().subscriptions[0].disconnect_time, kStart);
  EXPECT_TRUE(book.find(other)->is_online());
  book.close_leftovers(kStart + 40s);
  EXPECT_EQ(book.find(other)->subscriptions[0].disconnect_time, kStart + 40s);
  EXPECT_TRUE(row().is_online());
}

TEST_F(InsightBookTest, RowsThatDidNotChangeAreNotWrittenAgain) {
  connect(1);
  book.on_live(kProxy, true);
  EXPECT_THAT(book.take_changed(), SizeIs(1));
  book.on_live(kProxy, true);
  EXPECT_THAT(book.take_changed(), IsEmpty());
  EXPECT_EQ(book.urgency(), Urgency::None);
}

TEST_F(InsightBookTest, WhoGetsTrafficIsWrittenAtOnce) {
  connect(1);
  book.take_changed();
  book.on_live(kProxy, true);
  EXPECT_EQ(book.urgency(), Urgency::AtOnce);
  book.take_changed();
  book.on_live(kProxy, true);
  EXPECT_EQ(book.urgency(), Urgency::None) << "it was known";
}

TEST_F(InsightBookTest, WhatCouldNotBeWrittenCountsAsChangedAgain) {
  connect(1);
  const auto rows = book.take_changed();
  book.put_back(rows);
  EXPECT_EQ(book.urgency(), Urgency::Soon);
  EXPECT_THAT(book.take_changed(), SizeIs(1));
}

TEST_F(InsightBookTest, ARowIsHeldOnceAsLongAsItDoesNotChangeAndTheOneTakenStaysAsItWas) {
  connect(1);
  const InsightBook::Row taken = book.take_changed().at(kProxy);
  EXPECT_EQ(&row(), taken.get());
  book.on_sent(1, DiscoveryKind::Cluster, kStart + 1s);
  EXPECT_EQ(status().total->responses_sent, 1U);
  EXPECT_EQ(taken->subscriptions.back().status.total->responses_sent, 0U);
}

TEST_F(InsightBookTest, CertificatesAreCounted) {
  connect(1);
  book.on_certificate(kProxy, kStart, kStart + 24h, "ca-1", {"ca-1", "ca-2"});
  book.on_certificate(kProxy, kStart + 19h, kStart + 43h, "ca-1", {"ca-1"});
  EXPECT_EQ(row().mtls->certificate_regenerations, 2U);
  EXPECT_EQ(row().mtls->certificate_expiration_time, kStart + 43h);
}

// ---- several control planes

class TwoBooks : public InsightBookTest {
 protected:
  void connect_other(std::uint64_t stream, SystemTime when) {
    other.on_connected(stream, {kProxy, "{}", "1.40.0", ""}, when);
  }
  // What one writes the other reads, until nobody has anything to write.
  void exchange() {
    for (int turn = 0; turn < 4; ++turn) {
      for (auto& [proxy, row] : book.take_changed()) other.on_stored(proxy, row);
      for (auto& [proxy, row] : other.take_changed()) book.on_stored(proxy, row);
    }
    EXPECT_EQ(book.urgency(), Urgency::None);
    EXPECT_EQ(other.urgency(), Urgency::None);
  }

  InsightBook other{InsightSettings{.instance_id = "cp-2"}};
};

TEST_F(TwoBooks, AProxyThatMovesHasOneRow) {
  connect(1);
  book.on_live(kProxy, true);
  exchange();
  EXPECT_TRUE(other.find(kProxy)->live);
  connect_other(1, kStart + 5s);
  exchange();
  book.on_disconnected(1, kStart + 6s);  // noticed late
  exchange();
  for (const InsightBook* each : {&book, &other}) {
    const DataplaneInsight& row = *each->find(kProxy);
    ASSERT_THAT(row.subscriptions, SizeIs(2));
    EXPECT_EQ(row.subscriptions.back().control_plane_instance_id, "cp-2");
    EXPECT_TRUE(row.is_online());
    EXPECT_TRUE(row.live);
  }
}

TEST_F(TwoBooks, WhatAnotherOverwroteIsWrittenAgain) {
  connect(1);
  exchange();
  connect_other(1, kStart + 5s);
  book.on_disconnected(1, kStart + 5s);
  const auto late = book.take_changed();  // it did not know of the new connection
  exchange();
  for (auto& [proxy, row] : late) other.on_stored(proxy, row);
  EXPECT_EQ(other.urgency(), Urgency::AtOnce);
  exchange();
  EXPECT_TRUE(book.find(kProxy)->is_online());
}

TEST_F(TwoBooks, AGoodbyeThatTheOtherWroteOverIsWrittenAgain) {
  connect(1);
  exchange();
  other.on_manager(kProxy, ManagerWord{.instance = "cp-2", .since = kStart});  // its manager is there, its Envoy here
  exchange();
  other.on_manager(kProxy, std::nullopt);  // and both go at once
  book.on_disconnected(1, kStart + 5s);
  const auto late = other.take_changed();
  exchange();
  for (auto& [proxy, row] : late) book.on_stored(proxy, row);
  EXPECT_EQ(book.urgency(), Urgency::AtOnce);
  exchange();
  EXPECT_FALSE(book.find(kProxy)->is_online());
  EXPECT_FALSE(other.find(kProxy)->is_online());
}

TEST_F(TwoBooks, ThatAProxyGetsNoMoreTrafficIsWrittenAgainWhereTheOtherWroteOverIt) {
  connect(1);
  book.on_live(kProxy, true);
  exchange();
  other.on_manager(kProxy, ManagerWord{.instance = "cp-2", .since = kStart});
  const auto late = other.take_changed();
  book.on_live(kProxy, false);
  exchange();
  for (auto& [proxy, row] : late) book.on_stored(proxy, row);
  EXPECT_EQ(book.urgency(), Urgency::AtOnce);
  exchange();
  EXPECT_FALSE(other.find(kProxy)->live);
}

TEST_F(TwoBooks, OnlyTheOneThatAProxyIsConnectedToSaysWhetherItIsLive) {
  connect_other(1, kStart);
  other.on_live(kProxy, true);
  exchange();
  book.on_live(kProxy, false);
  exchange();
  EXPECT_TRUE(other.find(kProxy)->live);
  EXPECT_TRUE(book.find(kProxy)->live);
}

TEST_F(TwoBooks, WhatOneSaidWhileTheOtherHadTheProxyCountsWhenItComesBack) {
  connect(1);
  book.on_live(kProxy, true);
  exchange();
  connect_other(1, kStart + 5s);  // that is being cut off, and tells nobody of the end
  exchange();
  book.on_live(kProxy, false);
  EXPECT_TRUE(book.find(kProxy)->live);
  book.on_connected(2, {kProxy, "{}", "1.40.0", ""}, kStart + 6s);
  exchange();
  EXPECT_FALSE(book.find(kProxy)->live);
  EXPECT_FALSE(other.find(kProxy)->live);
}

TEST_F(TwoBooks, LeftoversOfOneThatIsAliveAreNone) {
  connect_other(1, kStart);
  exchange();
  book.close_leftovers(kStart + 40s, {"cp-2"});
  EXPECT_TRUE(book.find(kProxy)->is_online());
  book.close_leftovers(kStart + 80s, {});
  EXPECT_FALSE(book.find(kProxy)->is_online());
}

}  // namespace
}  // namespace mesh
