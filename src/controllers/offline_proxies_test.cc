#include "controllers/offline_proxies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

const ProxyId kProxy{"default", "web-1"};

// As another control plane has it.
const OfflineProxies::Elsewhere kThere{.connected_to = "two", .registered_itself = true};
const OfflineProxies::Elsewhere kLeaving{.connected_to = "two", .leaving = true, .registered_itself = true};
const OfflineProxies::Elsewhere kGone{.registered_itself = true};

class OfflineProxiesTest : public testing::Test {
 protected:
  std::vector<ProxyId> after(Duration time) {
    now_ += std::chrono::duration_cast<SteadyTime::duration>(time);
    return proxies.step(now_).remove;
  }
  void disconnect() { proxies.on_disconnected(kProxy, now_); }

  OfflineProxies proxies{OfflineSettings{}};
  SteadyTime now_{100h};
};

TEST_F(OfflineProxiesTest, ADataplaneThatItsProxyRegisteredGoesShortlyAfterTheGoodbye) {
  proxies.on_connected(kProxy, true);
  proxies.on_leaving(kProxy);
  EXPECT_THAT(after(1h), IsEmpty());
  disconnect();
  EXPECT_THAT(after(999ms), IsEmpty());
  EXPECT_THAT(after(1ms), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, OneThatIsCutOffKeepsItsDataplaneWhileItMayGetTraffic) {
  proxies.on_connected(kProxy, true);
  proxies.on_live(kProxy, true, now_);
  disconnect();
  EXPECT_THAT(after(1h), IsEmpty());
  proxies.on_live(kProxy, false, now_);
  EXPECT_THAT(after(9s), IsEmpty()) << "it may be on its way";
  EXPECT_THAT(after(1s), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, OneThatIsGivenUpAtOnceGoesAsSoonAsOneThatNeverGotTraffic) {
  proxies.on_connected(kProxy, true);
  proxies.on_live(kProxy, true, now_);
  proxies.on_live(kProxy, false, now_);
  disconnect();
  EXPECT_THAT(after(9s), IsEmpty());
  EXPECT_THAT(after(1s), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, OneThatComesBackKeepsIt) {
  proxies.on_connected(kProxy, true);
  disconnect();
  EXPECT_THAT(after(9s), IsEmpty());
  proxies.on_connected(kProxy, true);
  EXPECT_THAT(after(100h), IsEmpty());
}

TEST_F(OfflineProxiesTest, ADataplaneThatAnOperatorMadeStaysForThreeDays) {
  proxies.on_connected(kProxy, false);
  proxies.on_leaving(kProxy);
  disconnect();
  EXPECT_THAT(after(71h), IsEmpty());
  EXPECT_THAT(after(1h), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, TimeThatPassedUnderAnEarlierControlPlaneCounts) {
  proxies.load(kProxy, false, 70h, now_);
  EXPECT_THAT(after(1h), IsEmpty());
  EXPECT_THAT(after(1h), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, WhatIsGoneIsForgotten) {
  proxies.on_connected(kProxy, true);
  disconnect();
  proxies.on_removed(kProxy);
  EXPECT_THAT(after(100h), IsEmpty());
}

TEST_F(OfflineProxiesTest, OneThatWentToAnotherControlPlaneStaysUntilThatOneLosesIt) {
  proxies.on_connected(kProxy, true);
  disconnect();
  proxies.on_elsewhere(kProxy, kThere, now_);
  EXPECT_THAT(after(1h), IsEmpty());
  proxies.on_elsewhere(kProxy, kGone, now_);
  EXPECT_THAT(after(9s), IsEmpty());
  EXPECT_THAT(after(1s), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, OneThatCameFromAnotherControlPlaneStaysWhileItIsHere) {
  proxies.on_elsewhere(kProxy, kThere, now_);
  proxies.on_connected(kProxy, true);
  proxies.on_elsewhere(kProxy, kGone, now_);  // the news of its going come late
  EXPECT_THAT(after(1h), IsEmpty());
  proxies.on_elsewhere(kProxy, {.is_ours = true, .registered_itself = true}, now_);
  disconnect();
  EXPECT_THAT(after(10s), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, OneWhoseControlPlaneDiedIsOfflineFromThen) {
  proxies.on_elsewhere(kProxy, kThere, now_);
  proxies.on_others({"two", "three"}, now_);
  EXPECT_THAT(after(1h), IsEmpty());
  proxies.on_others({"three"}, now_);
  EXPECT_THAT(after(9s), IsEmpty());
  EXPECT_THAT(after(1s), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, OneThatCameToUsStaysWhenItsFormerControlPlaneDies) {
  proxies.on_elsewhere(kProxy, kThere, now_);
  proxies.on_connected(kProxy, true);
  proxies.on_others({}, now_);
  EXPECT_THAT(after(1h), IsEmpty());
}

TEST_F(OfflineProxiesTest, AGoodbyeToAnotherControlPlaneCountsAsOneToThis) {
  proxies.on_elsewhere(kProxy, kThere, now_);
  proxies.on_leaving(kProxy);
  proxies.on_elsewhere(kProxy, kLeaving, now_);
  EXPECT_THAT(after(1h), IsEmpty()) << "it is still connected";
  proxies.on_elsewhere(kProxy, kGone, now_);
  EXPECT_THAT(after(1s), ElementsAre(kProxy));
}

TEST_F(OfflineProxiesTest, WhoTookItsGoodbyeBackIsSilentLikeAnyOther) {
  proxies.on_elsewhere(kProxy, kLeaving, now_);
  proxies.on_elsewhere(kProxy, kThere, now_);
  proxies.on_elsewhere(kProxy, kGone, now_);
  EXPECT_THAT(after(9s), IsEmpty());
  EXPECT_THAT(after(1s), ElementsAre(kProxy));
}

}  // namespace
}  // namespace mesh
