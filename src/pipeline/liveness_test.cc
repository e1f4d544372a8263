#include "pipeline/liveness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

// Proxies "a", "b" … of one mesh that all offer the service "kv", and a clock that moves when told.
class LivenessTest : public testing::Test {
 protected:
  static ProxyId id(const std::string& name) { return {"m", name}; }
  SteadyTime now() const { return now_; }
  void wait(Duration time) { now_ += time; }

  void known(const std::string& name) { liveness.on_services(id(name), std::set<std::string>{"kv"}, now()); }
  void manager(const std::string& name) {
    liveness.on_reporter_connected(id(name), ++session_, LivenessSource::Manager, now());
    manager_of_[name] = session_;
  }
  void health_stream(const std::string& name) {
    liveness.on_reporter_connected(id(name), ++session_, LivenessSource::HealthStream, now());
    health_of_[name] = session_;
  }
  void envoy(const std::string& name) {
    liveness.on_envoy_connected(id(name), ++session_, now());
    envoy_of_[name] = session_;
  }
  void acknowledged(const std::string& name) { liveness.on_acknowledged(id(name), now()); }
  void manager_says(const std::string& name, bool ready, std::set<std::uint32_t> unavailable = {}) {
    liveness.on_readiness(id(name), manager_of_[name], {LivenessSource::Manager, ready, std::move(unavailable), ""},
                          now());
  }
  void health_says(const std::string& name, bool ready) {
    liveness.on_readiness(id(name), health_of_[name], {LivenessSource::HealthStream, ready, {}, ""}, now());
  }
  // With a manager, connected, acknowledged and probed.
  void up(const std::string& name) {
    known(name);
    manager(name);
    envoy(name);
    acknowledged(name);
    manager_says(name, true);
  }
  void lose_envoy(const std::string& name) { liveness.on_envoy_disconnected(id(name), envoy_of_[name], now()); }
  void lose_manager(const std::string& name) {
    liveness.on_reporter_disconnected(id(name), manager_of_[name], LivenessSource::Manager, now());
  }
  void lose_health_stream(const std::string& name) {
    liveness.on_reporter_disconnected(id(name), health_of_[name], LivenessSource::HealthStream, now());
  }
  void cut_off(const std::string& name) {
    lose_envoy(name);
    lose_manager(name);
  }
  // "+a -b": what changed since the last look.
  std::vector<std::string> changes() {
    std::vector<std::string> out;
    last_ = liveness.step(now());
    for (const LivenessChange& change : last_.changes) out.push_back((change.live ? "+" : "-") + change.proxy.name);
    return out;
  }

  Liveness liveness{LivenessSettings{}};
  Liveness::Step last_;
  SteadyTime now_{1000s};
  std::uint64_t session_ = 0;
  std::map<std::string, std::uint64_t> manager_of_, health_of_, envoy_of_;
};

TEST_F(LivenessTest, IsLiveOnceAcknowledgedAndProbedByItsManager) {
  known("a");
  manager("a");
  envoy("a");
  manager_says("a", true);
  EXPECT_THAT(changes(), IsEmpty());
  acknowledged("a");
  EXPECT_THAT(changes(), ElementsAre("+a"));
}

TEST_F(LivenessTest, AnAcknowledgementAloneIsNotEnoughWhenSomebodyProbes) {
  known("a");
  manager("a");
  envoy("a");
  acknowledged("a");
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(LivenessTest, IsLiveWhenItsEnvoyReportsItselfHealthy) {
  known("a");
  envoy("a");
  health_stream("a");
  acknowledged("a");
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
  health_says("a", true);
  EXPECT_THAT(changes(), ElementsAre("+a"));
}

TEST_F(LivenessTest, WhereThereIsAManagerItsWordCountsAndNotTheHealthStream) {
  up("a");
  changes();
  health_stream("a");
  health_says("a", false);  // as Envoy reports before its first check
  EXPECT_THAT(changes(), IsEmpty());
  manager_says("a", false);
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, ABareEnvoyIsTakenAsLiveAWhileAfterItsAcknowledgements) {
  known("a");
  envoy("a");
  acknowledged("a");
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_EQ(last_.next, now() + 5s);
  wait(5s);
  EXPECT_THAT(changes(), ElementsAre("+a"));
}

TEST_F(LivenessTest, WithoutADataplaneItIsNoEndpoint) {
  envoy("a");
  health_stream("a");
  acknowledged("a");
  health_says("a", true);
  EXPECT_THAT(changes(), IsEmpty());
  known("a");
  EXPECT_THAT(changes(), ElementsAre("+a"));
  liveness.on_services(id("a"), std::nullopt, now());
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, AGoodbyeWithdrawsAtOnceEvenTheLastOne) {
  up("a");
  changes();
  liveness.on_leaving(id("a"), now());
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, ARefusedProbeWithdrawsAtOnceAndAnAnsweredOneBringsItBack) {
  up("a");
  changes();
  manager_says("a", false);
  EXPECT_THAT(changes(), ElementsAre("-a"));
  manager_says("a", true);
  EXPECT_THAT(changes(), ElementsAre("+a"));
}

TEST_F(LivenessTest, IsGoneWithinASecondAfterManagerAndEnvoyAreBothCutOff) {
  up("a");
  up("b");
  changes();
  cut_off("a");
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_EQ(last_.next, now() + 900ms);
  wait(899ms);
  EXPECT_THAT(changes(), IsEmpty());
  wait(1ms);
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, IsGoneTenSecondsAfterOnlyItsEnvoyIsCutOff) {
  up("a");
  changes();
  lose_envoy("a");
  wait(9s);
  EXPECT_THAT(changes(), IsEmpty());
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, WithoutAManagerALostStreamIsAllThatIsKnownAndTheLongGraceCounts) {
  known("a");
  envoy("a");
  health_stream("a");
  health_says("a", true);
  acknowledged("a");
  EXPECT_THAT(changes(), ElementsAre("+a"));
  lose_envoy("a");
  lose_health_stream("a");
  wait(9s);
  EXPECT_THAT(changes(), IsEmpty());
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, AReconnectWithinTheGraceChangesNothing) {
  up("a");
  changes();
  cut_off("a");
  wait(900ms);
  manager("a");
  envoy("a");
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_EQ(last_.next, std::nullopt);
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(LivenessTest, AnotherProcessUnderTheSameNameHasToProveItselfAnew) {
  up("a");
  changes();
  cut_off("a");
  manager("a");
  manager_says("a", false);
  EXPECT_THAT(changes(), ElementsAre("-a"));
  envoy("a");
  acknowledged("a");
  EXPECT_THAT(changes(), IsEmpty());
  manager_says("a", true);
  EXPECT_THAT(changes(), ElementsAre("+a"));
}

TEST_F(LivenessTest, AnOldSessionThatIsOnItsWayOutHasNothingMoreToSay) {
  up("a");
  changes();
  const std::uint64_t old = manager_of_["a"];
  manager("a");
  liveness.on_readiness(id("a"), old, {LivenessSource::Manager, false, {}, ""}, now());
  liveness.on_reporter_disconnected(id("a"), old, LivenessSource::Manager, now());
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(LivenessTest, OnePortMayBeUnavailableWhileTheProxyIsLive) {
  up("a");
  changes();
  manager_says("a", true, {8080});
  const Liveness::Step step = liveness.step(now());
  EXPECT_THAT(step.changes, ElementsAre(LivenessChange{id("a"), true, {8080}}));
}

TEST_F(LivenessTest, AtMostHalfOfAServiceLeavesSilentlyWithinTheWindow) {
  for (const char* name : {"a", "b", "c", "d"}) up(name);
  changes();
  for (const char* name : {"a", "b", "c", "d"}) cut_off(name);
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-a", "-b"));
  wait(9s);
  EXPECT_THAT(changes(), IsEmpty());
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-c"));
}

TEST_F(LivenessTest, TheLastOfSeveralNeverLeavesSilently) {
  up("a");
  up("b");
  changes();
  cut_off("a");
  cut_off("b");
  wait(1h);
  EXPECT_THAT(changes(), ElementsAre("-a"));
  EXPECT_TRUE(liveness.is_live(id("b")));
  liveness.on_services(id("b"), std::nullopt, now());  // its Dataplane was deleted
  EXPECT_THAT(changes(), ElementsAre("-b"));
}

TEST_F(LivenessTest, TheOneThatWasHeldGoesWhenAFellowComesBack) {
  up("a");
  up("b");
  changes();
  cut_off("a");
  cut_off("b");
  wait(1min);
  EXPECT_THAT(changes(), ElementsAre("-a"));
  wait(10s);
  up("a");
  EXPECT_THAT(changes(), ElementsAre("+a", "-b"));
}

TEST_F(LivenessTest, ARefusedProbeOverridesTheFloor) {
  up("a");
  up("b");
  changes();
  cut_off("a");
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-a"));
  manager_says("b", false);
  EXPECT_THAT(changes(), ElementsAre("-b"));
}

TEST_F(LivenessTest, OurOwnRestartEmptiesNobodysEndpoints) {
  for (const char* name : {"a", "b"}) {
    liveness.restore(id(name), now());
    known(name);
  }
  EXPECT_THAT(changes(), ElementsAre("+a", "+b"));
  wait(29s);
  envoy("a");
  EXPECT_THAT(changes(), IsEmpty());
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-b"));
}

TEST_F(LivenessTest, AfterOurRestartAnEnvoyHasThatTimeToComeBackEvenWhenItsManagerIsQuicker) {
  liveness.restore(id("a"), now());
  known("a");
  changes();
  manager("a");
  manager_says("a", true);
  wait(29s);
  EXPECT_THAT(changes(), IsEmpty());
  envoy("a");
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(LivenessTest, ForgetsWhatNobodyAsksForAnyMore) {
  up("a");
  changes();
  cut_off("a");
  liveness.on_services(id("a"), std::nullopt, now());
  EXPECT_THAT(changes(), ElementsAre("-a"));
  EXPECT_EQ(liveness.live_count(), 0U);
  EXPECT_EQ(last_.next, std::nullopt);
}

// ---- several control planes

TEST_F(LivenessTest, FollowsTheControlPlaneThatAProxyIsConnectedTo) {
  liveness.on_others({"two"}, now());
  known("a");
  liveness.on_elsewhere(id("a"), {{"two", true}}, now());
  EXPECT_THAT(changes(), ElementsAre("+a"));
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
  liveness.on_elsewhere(id("a"), {{"two", false}}, now());
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, KeepsAProxyThatMovesToAnotherControlPlane) {
  liveness.on_others({"two"}, now());
  up("a");
  EXPECT_THAT(changes(), ElementsAre("+a"));
  cut_off("a");
  liveness.on_elsewhere(id("a"), {{"two", true}}, now());
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(LivenessTest, KeepsAProxyThatComesFromAnotherControlPlane) {
  liveness.on_others({"two"}, now());
  known("a");
  liveness.on_elsewhere(id("a"), {{"two", true}}, now());
  EXPECT_THAT(changes(), ElementsAre("+a"));
  manager("a");
  envoy("a");
  liveness.on_elsewhere(id("a"), std::nullopt, now());
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
  manager_says("a", false);
  EXPECT_THAT(changes(), ElementsAre("-a")) << "its own word counts";
}

TEST_F(LivenessTest, GivesProxiesOfAControlPlaneThatDiedTheTimeOfARestart) {
  liveness.on_others({"two"}, now());
  known("a");
  known("b");
  for (const char* name : {"a", "b"}) liveness.on_elsewhere(id(name), {{"two", true}}, now());
  EXPECT_THAT(changes(), ElementsAre("+a", "+b"));
  liveness.on_others({}, now());
  wait(29s);
  EXPECT_THAT(changes(), IsEmpty());
  envoy("b");
  wait(1s);
  EXPECT_THAT(changes(), ElementsAre("-a"));
}

TEST_F(LivenessTest, WhoComesFromOneThatDiedWithItsHealthStreamFirstHasThatTimeToo) {
  liveness.on_others({"two"}, now());
  known("a");
  liveness.on_elsewhere(id("a"), {{"two", true}}, now());
  manager("a");  // as the other one wrote down
  EXPECT_THAT(changes(), ElementsAre("+a"));
  lose_manager("a");
  liveness.on_others({}, now());
  health_stream("a");
  wait(29s);
  EXPECT_THAT(changes(), IsEmpty());
  envoy("a");
  EXPECT_THAT(changes(), IsEmpty());
  manager("a");
  wait(1h);
  EXPECT_THAT(changes(), IsEmpty());
}

TEST_F(LivenessTest, BelievesNoControlPlaneThatIsNotAlive) {
  known("a");
  liveness.on_elsewhere(id("a"), {{"long ago", true}}, now());
  EXPECT_THAT(changes(), IsEmpty());
  liveness.on_others({"long ago"}, now());
  EXPECT_THAT(changes(), ElementsAre("+a")) << "it was alive after all";
}

// --- one that replaces another ----------------------------------------------------------------------------------

TEST_F(LivenessTest, WhoLeavesAsTheLastStaysUntilTheOneOnItsWayServes) {
  up("old");
  known("new");
  manager("new");
  envoy("new");
  acknowledged("new");
  manager_says("new", true, {8080});  // its application does not listen yet
  changes();
  liveness.on_leaving(id("old"), now());
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_TRUE(liveness.is_waiting_for_relief(id("old")));
  wait(1s);
  manager_says("new", true);
  EXPECT_THAT(changes(), ElementsAre("+new", "-old"));
  EXPECT_FALSE(liveness.is_waiting_for_relief(id("old")));
}

TEST_F(LivenessTest, TheOneOnItsWayNeedNotBeReadyAtAll) {
  up("old");
  known("new");
  envoy("new");
  changes();
  liveness.on_leaving(id("old"), now());
  EXPECT_THAT(changes(), IsEmpty());
  manager("new");
  acknowledged("new");
  manager_says("new", true);
  EXPECT_THAT(changes(), ElementsAre("+new", "-old"));
}

TEST_F(LivenessTest, NobodyWaitsLongForRelief) {
  up("old");
  known("new");
  envoy("new");
  changes();
  liveness.on_leaving(id("old"), now());
  EXPECT_THAT(changes(), IsEmpty());
  wait(1499ms);
  EXPECT_THAT(changes(), IsEmpty());
  wait(1ms);
  EXPECT_THAT(changes(), ElementsAre("-old"));
}

TEST_F(LivenessTest, WhereOthersServeOrNobodyComesAGoodbyeCountsAtOnce) {
  up("a");
  changes();
  liveness.on_leaving(id("a"), now());
  EXPECT_THAT(changes(), ElementsAre("-a")) << "the last one, and nobody comes";
  up("b");
  up("c");
  known("d");
  envoy("d");
  changes();
  liveness.on_leaving(id("b"), now());
  EXPECT_THAT(changes(), ElementsAre("-b")) << "c serves";
}

TEST_F(LivenessTest, WhoGoesWhileItWaitsForReliefIsGone) {
  up("old");
  known("new");
  envoy("new");
  changes();
  liveness.on_leaving(id("old"), now());
  lose_envoy("old");
  EXPECT_THAT(changes(), ElementsAre("-old"));
}

TEST_F(LivenessTest, AReliefThatGoesIsNotWaitedFor) {
  up("old");
  known("new");
  manager("new");
  envoy("new");
  acknowledged("new");
  manager_says("new", true, {8080});
  changes();
  liveness.on_leaving(id("old"), now());
  EXPECT_THAT(changes(), IsEmpty());
  liveness.on_leaving(id("new"), now());
  EXPECT_THAT(changes(), ElementsAre("-new", "-old"));
}

}  // namespace
}  // namespace mesh
