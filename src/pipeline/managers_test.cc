#include "pipeline/managers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

const ProxyId kProxy{"m", "a"};

// Two control planes: Envoy is connected to the first, its manager to the second.
class ManagersTest : public testing::Test {
 protected:
  ManagersTest() {
    one.on_others({"two"}, liveness, now);
    two.on_others({"one"}, nobody, now);
    liveness.on_services(kProxy, std::set<std::string>{"kv"}, now);
    liveness.on_envoy_connected(kProxy, 5, now);
    liveness.on_acknowledged(kProxy, now);
  }
  bool carry_over() {
    const bool goodbye = one.on_stored(kProxy, written ? &*written : nullptr, liveness, now);
    (void)liveness.step(now);
    return goodbye;
  }
  bool is_live() const { return liveness.is_live(kProxy); }

  SteadyTime now{100h};
  const SystemTime wall{1'800'000'000s};
  Liveness liveness{{}}, nobody{{}};
  std::optional<ManagerWord> written;
  int tellings = 0;
  Managers one{"one", [](const ProxyId&, std::optional<ManagerWord>) {}};
  Managers two{"two", [this](const ProxyId&, std::optional<ManagerWord> word) {
                 written = std::move(word);
                 ++tellings;
               }};
};

TEST_F(ManagersTest, WhatAManagerSaysToOneCountsAtTheOther) {
  two.on_connected(kProxy, 9, wall);
  carry_over();
  now += 1h;
  carry_over();
  EXPECT_FALSE(is_live()) << "it has a manager, which has not said so";
  two.on_readiness(kProxy, 9, {LivenessSource::Manager, true, {}, ""});
  carry_over();
  EXPECT_TRUE(is_live());
  two.on_readiness(kProxy, 9, {LivenessSource::Manager, false, {}, ""});
  carry_over();
  EXPECT_FALSE(is_live());
}

TEST_F(ManagersTest, AGoodbyeIsHeardEverywhereOnce) {
  two.on_connected(kProxy, 9, wall);
  two.on_readiness(kProxy, 9, {LivenessSource::Manager, true, {}, ""});
  carry_over();
  two.on_leaving(kProxy);
  EXPECT_TRUE(carry_over());
  EXPECT_FALSE(carry_over());
  EXPECT_FALSE(is_live());
  two.on_connected(kProxy, 10, wall + 1s);  // the task is there again
  two.on_readiness(kProxy, 10, {LivenessSource::Manager, true, {}, ""});
  carry_over();
  EXPECT_TRUE(is_live());
}

TEST_F(ManagersTest, OneThatGoesWithItsControlPlaneIsCutOff) {
  two.on_connected(kProxy, 9, wall);
  two.on_readiness(kProxy, 9, {LivenessSource::Manager, true, {}, ""});
  carry_over();
  one.on_others({}, liveness, now);
  EXPECT_TRUE(is_live());
  now += 10s;
  (void)liveness.step(now);
  EXPECT_FALSE(is_live()) << "only its Envoy is there";
}

TEST_F(ManagersTest, NothingIsWrittenForNobody) {
  two.on_others({}, nobody, now);
  two.on_connected(kProxy, 9, wall);
  EXPECT_EQ(tellings, 0);
  two.on_others({"one"}, nobody, now);
  EXPECT_EQ(tellings, 1);
  two.on_readiness(kProxy, 9, {LivenessSource::Manager, true, {}, ""});
  two.on_readiness(kProxy, 9, {LivenessSource::Manager, true, {}, ""});
  EXPECT_EQ(tellings, 2) << "the same again is no news";
}

}  // namespace
}  // namespace mesh
