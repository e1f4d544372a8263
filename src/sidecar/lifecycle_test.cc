#include "sidecar/lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace mesh::sidecar {
namespace {

using namespace std::chrono_literals;
using Kind = Action::Kind;

bool has(const Actions& actions, Kind kind) {
  return std::any_of(actions.begin(), actions.end(), [&](const Action& action) { return action.kind == kind; });
}
bool tells(const Actions& actions, Standing standing) {
  return std::any_of(actions.begin(), actions.end(),
                     [&](const Action& action) { return action.kind == Kind::Tell && action.standing == standing; });
}
Duration delay_of(const Actions& actions, Timer timer) {
  for (const Action& action : actions) {
    if (action.kind == Kind::StartTimer && action.timer == timer) return action.delay;
  }
  return -1s;
}
int number_of(const Actions& actions, Kind kind) {
  for (const Action& action : actions) {
    if (action.kind == kind) return action.number;
  }
  return -1;
}

class LifecycleTest : public testing::Test {
 protected:
  void make_ready() {
    lifecycle.on_envoy_started();
    lifecycle.on_report_connected(true);
    lifecycle.on_check({});
  }
  Lifecycle lifecycle{28s};
};

TEST_F(LifecycleTest, SaysReadyOnlyWhenEnvoyAndEveryInboundAnswer) {
  EXPECT_TRUE(has(lifecycle.on_envoy_started(), Kind::CheckEnvoy));
  EXPECT_FALSE(tells(lifecycle.on_check("10.0.0.2:8080 does not take connections"), Standing::Ready));
  EXPECT_TRUE(has(lifecycle.on_timer(Timer::Check), Kind::CheckEnvoy));
  EXPECT_TRUE(tells(lifecycle.on_check({}), Standing::Ready));
  EXPECT_EQ(lifecycle.phase(), Phase::Ready);
}

TEST_F(LifecycleTest, ChecksOftenAtFirstAndLessOftenLater) {
  lifecycle.on_envoy_started();
  EXPECT_EQ(delay_of(lifecycle.on_check("x"), Timer::Check), 20ms);
  EXPECT_EQ(delay_of(lifecycle.on_check("x"), Timer::Check), 25ms);
  for (int i = 0; i < 20; ++i) lifecycle.on_check("x");
  EXPECT_EQ(delay_of(lifecycle.on_check("x"), Timer::Check), 500ms);
  EXPECT_EQ(delay_of(lifecycle.on_check("y"), Timer::Check), 20ms) << "something moves";
}

TEST_F(LifecycleTest, SaysTheSameProblemOnce) {
  lifecycle.on_envoy_started();
  EXPECT_TRUE(has(lifecycle.on_check("x"), Kind::Say));
  EXPECT_FALSE(has(lifecycle.on_check("x"), Kind::Say));
  EXPECT_TRUE(has(lifecycle.on_check("y"), Kind::Say));
}

TEST_F(LifecycleTest, TakesReadyBackWhenEnvoySaysThatItIsNot) {
  make_ready();
  EXPECT_TRUE(tells(lifecycle.on_check("Envoy is DRAINING"), Standing::Starting));
  EXPECT_TRUE(tells(lifecycle.on_check({}), Standing::Ready));
}

TEST_F(LifecycleTest, TakesNothingBackWhenEnvoyIsTooBusyToAnswer) {
  make_ready();
  EXPECT_FALSE(has(lifecycle.on_check("no answer", false), Kind::Tell));
  EXPECT_EQ(lifecycle.phase(), Phase::Ready);
}

TEST_F(LifecycleTest, LeavesTheMeshBeforeItDrains) {
  make_ready();
  Actions actions = lifecycle.on_stop_signal(SIGTERM);
  EXPECT_TRUE(tells(actions, Standing::Leaving));
  EXPECT_FALSE(has(actions, Kind::FailHealthChecks));
  EXPECT_FALSE(has(actions, Kind::DrainListeners));
  EXPECT_FALSE(has(actions, Kind::SignalEnvoy));

  actions = lifecycle.on_withdrawn();
  EXPECT_TRUE(has(actions, Kind::FailHealthChecks));
  EXPECT_TRUE(has(actions, Kind::DrainListeners));
  EXPECT_TRUE(has(actions, Kind::CountConnections));
  EXPECT_FALSE(has(actions, Kind::SignalEnvoy));
}

TEST_F(LifecycleTest, StopsEnvoyOnceNothingRunsAnyMore) {
  make_ready();
  lifecycle.on_stop_signal(SIGTERM);
  lifecycle.on_withdrawn();
  EXPECT_FALSE(has(lifecycle.on_connections(3), Kind::SignalEnvoy));
  lifecycle.on_timer(Timer::Count);
  EXPECT_FALSE(has(lifecycle.on_connections(0), Kind::SignalEnvoy)) << "one look is not enough";
  lifecycle.on_timer(Timer::Count);
  EXPECT_EQ(number_of(lifecycle.on_connections(0), Kind::SignalEnvoy), SIGTERM);
  EXPECT_EQ(number_of(lifecycle.on_envoy_ended({}), Kind::Exit), 0);
}

TEST_F(LifecycleTest, StopsInsideItsBudgetHoweverLongConnectionsLast) {
  make_ready();
  Actions actions = lifecycle.on_stop_signal(SIGTERM);
  EXPECT_EQ(delay_of(actions, Timer::DrainEnd), 26s);
  lifecycle.on_withdrawn();
  lifecycle.on_connections(7);
  actions = lifecycle.on_timer(Timer::DrainEnd);
  EXPECT_EQ(number_of(actions, Kind::SignalEnvoy), SIGTERM);
  EXPECT_EQ(delay_of(actions, Timer::KillEnvoy), 1s);
  EXPECT_EQ(number_of(lifecycle.on_timer(Timer::KillEnvoy), Kind::SignalEnvoy), SIGKILL);
}

TEST_F(LifecycleTest, KeepsServingAWhileWhenNobodyCanConfirm) {
  make_ready();
  lifecycle.on_report_support(false);
  Actions actions = lifecycle.on_stop_signal(SIGTERM);
  EXPECT_TRUE(has(actions, Kind::FailHealthChecks)) << "this is how a stock control plane hears of it";
  EXPECT_EQ(delay_of(actions, Timer::Settle), 12s);
  EXPECT_FALSE(has(actions, Kind::CountConnections));
  EXPECT_TRUE(has(lifecycle.on_timer(Timer::Settle), Kind::CountConnections));
}

TEST_F(LifecycleTest, DrainsWithoutAConfirmationThatDoesNotCome) {
  make_ready();
  EXPECT_EQ(delay_of(lifecycle.on_stop_signal(SIGTERM), Timer::LeaveConfirm), 5s);
  Actions actions = lifecycle.on_timer(Timer::LeaveConfirm);
  EXPECT_TRUE(has(actions, Kind::DrainListeners));
  EXPECT_EQ(delay_of(actions, Timer::Settle), 12s);
  EXPECT_TRUE(has(lifecycle.on_withdrawn(), Kind::CountConnections)) << "a late confirmation still shortens it";
}

TEST_F(LifecycleTest, HurriesWhenAskedTwice) {
  make_ready();
  lifecycle.on_stop_signal(SIGTERM);
  EXPECT_EQ(number_of(lifecycle.on_stop_signal(SIGTERM), Kind::SignalEnvoy), SIGTERM);
  EXPECT_EQ(number_of(lifecycle.on_stop_signal(SIGTERM), Kind::SignalEnvoy), SIGKILL);
}

TEST_F(LifecycleTest, EndsWithEnvoysFailure) {
  make_ready();
  Actions actions = lifecycle.on_envoy_ended({.exit_code = 3});
  EXPECT_TRUE(tells(actions, Standing::Leaving)) << "the endpoint is gone, and the control plane hears of it at once";
  EXPECT_FALSE(has(actions, Kind::Exit));
  EXPECT_EQ(number_of(lifecycle.on_withdrawn(), Kind::Exit), 3);
}

TEST_F(LifecycleTest, DoesNotWaitLongToReportAFailure) {
  make_ready();
  EXPECT_EQ(delay_of(lifecycle.on_envoy_ended({.signal = SIGKILL}), Timer::LeaveConfirm), 500ms);
  EXPECT_EQ(number_of(lifecycle.on_timer(Timer::LeaveConfirm), Kind::Exit), 137);
}

TEST_F(LifecycleTest, ExitsAtOnceWithEnvoysFailureWhenNobodyListens) {
  lifecycle.on_envoy_started();
  EXPECT_EQ(number_of(lifecycle.on_envoy_ended({.exit_code = 1}), Kind::Exit), 1);
}

TEST_F(LifecycleTest, StopsAtOnceBeforeEnvoyRuns) {
  EXPECT_EQ(number_of(lifecycle.on_stop_signal(SIGTERM), Kind::Exit), 0);
}

TEST_F(LifecycleTest, ExitsAtOnceOnSigtermAfterADrainSignal) {
  make_ready();
  EXPECT_TRUE(has(lifecycle.on_drain_signal(), Kind::DrainListeners));
  EXPECT_EQ(number_of(lifecycle.on_stop_signal(SIGTERM), Kind::SignalEnvoy), SIGTERM);
}

TEST(ProcessEndTest, SaysHowAProcessEnded) {
  EXPECT_EQ(ProcessEnd{.exit_code = 2}.to_string(), "exit code 2");
  EXPECT_EQ(ProcessEnd{.signal = SIGKILL}.to_string(), "signal 9 (Killed)");
}

TEST_F(LifecycleTest, AnAnnouncedStopLeavesTheMeshAtOnceAndWaitsForTheSignal) {
  make_ready();
  const Actions announced = lifecycle.on_stop_announced();
  EXPECT_TRUE(tells(announced, Standing::Leaving));
  EXPECT_FALSE(has(announced, Kind::DrainListeners)) << "the application still serves";
  EXPECT_TRUE(lifecycle.on_check({}).empty()) << "an answer that was under way changes nothing";
  EXPECT_FALSE(has(lifecycle.on_withdrawn(), Kind::SignalEnvoy));
  EXPECT_EQ(lifecycle.phase(), Phase::Withdrawing);

  const Actions stop = lifecycle.on_stop_signal(SIGTERM);
  EXPECT_FALSE(has(stop, Kind::Tell)) << "it was told before";
  EXPECT_TRUE(has(stop, Kind::DrainListeners));
  EXPECT_EQ(lifecycle.phase(), Phase::Draining);
}

TEST_F(LifecycleTest, ASignalThatComesBeforeTheConfirmationWaitsForIt) {
  make_ready();
  lifecycle.on_stop_announced();
  EXPECT_GT(delay_of(lifecycle.on_stop_signal(SIGTERM), Timer::LeaveConfirm), 0s);
  EXPECT_EQ(lifecycle.phase(), Phase::Leaving);
  EXPECT_TRUE(has(lifecycle.on_withdrawn(), Kind::DrainListeners));
}

TEST_F(LifecycleTest, AnAnnouncementAfterTheSignalChangesNothing) {
  make_ready();
  lifecycle.on_stop_signal(SIGTERM);
  EXPECT_TRUE(lifecycle.on_stop_announced().empty());
}

}  // namespace
}  // namespace mesh::sidecar
