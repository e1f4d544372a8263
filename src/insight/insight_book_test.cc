#include "insight/insight_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
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
  book.load(kProxy, left);
  book.load(other, left);
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

TEST_F(InsightBookTest, CertificatesAreCounted) {
  connect(1);
  book.on_certificate(kProxy, kStart, kStart + 24h, "ca-1", {"ca-1", "ca-2"});
  book.on_certificate(kProxy, kStart + 19h, kStart + 43h, "ca-1", {"ca-1"});
  EXPECT_EQ(row().mtls->certificate_regenerations, 2U);
  EXPECT_EQ(row().mtls->certificate_expiration_time, kStart + 43h);
}

}  // namespace
}  // namespace mesh
