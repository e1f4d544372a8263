// What a change costs, counted and not timed: it is what the change concerns, and not what the mesh has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "envoy/pack.h"
#include "flow/house_of_flow.h"

namespace mesh::flow {
namespace {

using testing::Each;

class Counting : public testing::TestWithParam<Speaks> {
 protected:
  // Three that call kv, and two that do not, all with everything they should have; kv-1 is there and not ready.
  void SetUp() override {
    house.start();
    add("kv-1", "10.0.3.1", "kv");
    say_ready("kv-1", false);
    add("db-1", "10.0.4.1", "db");
    say_ready("db-1", false);
    for (int i = 1; i <= 3; ++i)
      callers.push_back(add("web-" + std::to_string(i), "10.0.1." + std::to_string(i), "web", {"kv"}));
    for (int i = 1; i <= 2; ++i)
      others.push_back(add("app-" + std::to_string(i), "10.0.2." + std::to_string(i), "app", {"db"}));
    settle();
  }

  FakeEnvoy* add(const std::string& name, const std::string& address, const std::string& service,
                 const std::vector<std::string>& calls = {}) {
    if (calls.empty()) connect_manager(name);
    house.put_dataplane("default", name, address, service, calls);
    return connect(name, !calls.empty());
  }

  FakeEnvoy* connect(const std::string& name, bool calls) {
    envoys.push_back(house.envoy("default", name, GetParam()));
    FakeEnvoy* envoy = envoys.back().get();
    EXPECT_TRUE(envoy->wait_for_type(XdsType::Listener)) << envoy->closed_because();
    if (calls) EXPECT_TRUE(envoy->wait_for_type(XdsType::Endpoint)) << envoy->closed_because();
    return envoy;
  }

  LivenessSink& word() { return house.control_plane().pipeline().liveness_sink(); }
  void connect_manager(const std::string& name) {
    word().on_reporter_connected({"default", name}, ++sessions, LivenessSource::Manager);
    session_of[name] = sessions;
  }
  void say_ready(const std::string& name, bool ready) {
    word().on_readiness({"default", name}, session_of.at(name), {.proxy_ready = ready});
  }

  void let_kv(bool join) {
    say_ready("kv-1", join);
    for (FakeEnvoy* caller : callers) ASSERT_TRUE(caller->wait_for_endpoints("kv", join ? "10.0.3.1:8080" : ""));
    for (FakeEnvoy* caller : callers_of_a_part)
      ASSERT_TRUE(caller->wait([&] {
        const FakeEnvoy::Resources known = caller->resources(XdsType::Endpoint);
        return !known.empty() && (known.begin()->second.find("10.0.3.1") != std::string::npos) == join;
      }));
  }
  void let_db(bool join) {
    say_ready("db-1", join);
    for (FakeEnvoy* other : others) ASSERT_TRUE(other->wait_for_endpoints("db", join ? "10.0.4.1:8080" : ""));
  }
  // What was under way has arrived: it went before this.
  void settle() {
    for (const bool join : {true, false}) {
      let_kv(join);
      let_db(join);
    }
  }

  struct Counts {
    std::uint64_t full_builds = 0, partial_builds = 0, offers = 0, pushes = 0, resources_made = 0;
  };
  Counts now() {
    const PipelineCounters counters = house.counters();
    int pushes = 0;  // as the Envoys count them: the control plane counts a push when it is on its way
    for (const auto& envoy : envoys) pushes += envoy->pushes();
    return {counters.builds.full_builds, counters.builds.partial_builds, counters.builds.offers,
            static_cast<std::uint64_t>(pushes), envoy::resources_made()};
  }
  // Since then, and until all of what was counted had arrived.
  Counts since(const Counts& before) {
    const Counts after = now();
    return {after.full_builds - before.full_builds, after.partial_builds - before.partial_builds,
            after.offers - before.offers, after.pushes - before.pushes, after.resources_made - before.resources_made};
  }
  static std::vector<int> pushes_of(const std::vector<FakeEnvoy*>& envoys) {
    std::vector<int> out;
    for (const FakeEnvoy* envoy : envoys) out.push_back(envoy->pushes());
    return out;
  }
  static std::vector<std::size_t> bytes_of(const std::vector<FakeEnvoy*>& envoys) {
    std::vector<std::size_t> out;
    for (const FakeEnvoy* envoy : envoys) out.push_back(envoy->bytes_received());
    return out;
  }

  HouseOfFlow house;
  std::vector<std::unique_ptr<FakeEnvoy>> envoys;
  std::vector<FakeEnvoy*> callers, callers_of_a_part, others;
  std::map<std::string, std::uint64_t> session_of;
  std::uint64_t sessions = 1'000'000;  // above those of real streams
};

INSTANTIATE_TEST_SUITE_P(Encodings, Counting, testing::Values(Speaks::Delta, Speaks::StateOfTheWorld),
                         [](const auto& speaks) {
                           return speaks.param == Speaks::Delta ? "Delta" : "StateOfTheWorld";
                         });

TEST_P(Counting, AnEndpointThatJoinsOrLeavesCostsItsCallersAndIsWrittenOnce) {
  const Counts before = now();
  const std::vector<int> pushes_before = pushes_of(others);
  const std::vector<std::size_t> callers_before = bytes_of(callers);

  let_kv(true);
  std::vector<std::size_t> bytes = bytes_of(callers);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] -= callers_before[i];
  let_kv(false);

  const Counts cost = since(before);  // of two changes
  EXPECT_EQ(cost.full_builds, 0U);
  EXPECT_EQ(cost.partial_builds, 2 * 3U);
  EXPECT_EQ(cost.offers, 2 * 3U);
  EXPECT_EQ(cost.pushes, 2 * 3U);
  EXPECT_EQ(cost.resources_made, 2U);
  EXPECT_EQ(pushes_of(others), pushes_before);
  EXPECT_THAT(bytes, Each(bytes[0]));  // one resource each
  EXPECT_LT(bytes[0], 512U);
}

TEST_P(Counting, EachDistinctViewOfAServiceIsWrittenOnce) {
  // Two more callers, of another part of kv: the same part for both.
  for (int i = 4; i <= 5; ++i) {
    const std::string name = "web-" + std::to_string(i);
    house.put("/meshes/default/dataplanes/" + name, R"({"type": "Dataplane", "mesh": "default", "name": ")" + name +
                                                        R"(",
        "networking": {"address": "10.0.1.)" + std::to_string(i) +
                                                        R"(",
        "inbound": [{"port": 8080, "tags": {"kuma.io/service": "web"}}],
        "outbound": [{"port": 10001, "tags": {"kuma.io/service": "kv", "kuma.io/protocol": "http"}}]}})");
    callers_of_a_part.push_back(connect(name, true));
  }
  settle();
  const Counts before = now();

  let_kv(true);
  const Counts cost = since(before);
  EXPECT_EQ(cost.full_builds, 0U);
  EXPECT_EQ(cost.partial_builds, 5U);
  EXPECT_EQ(cost.pushes, 5U);
  EXPECT_EQ(cost.resources_made, 2U);
}

TEST_P(Counting, APolicyCostsThoseThatItSelects) {
  const Counts before = now();
  const std::vector<int> pushes_before = pushes_of(others);
  std::vector<int> clusters;
  for (const FakeEnvoy* caller : callers) clusters.push_back(caller->pushes(XdsType::Cluster));

  house.put("/meshes/default/meshtimeouts/slow-web", R"({"type": "MeshTimeout", "mesh": "default", "name": "slow-web",
      "spec": {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "web"}},
               "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "7s"}}]}})");
  for (std::size_t i = 0; i < callers.size(); ++i)
    ASSERT_TRUE(callers[i]->wait([&] { return callers[i]->pushes(XdsType::Cluster) > clusters[i]; }));

  EXPECT_EQ(pushes_of(others), pushes_before);
  let_db(true);  // what else there might have been went before this
  const Counts cost = since(before);
  EXPECT_EQ(cost.full_builds, 3U);
  EXPECT_EQ(cost.partial_builds, 2U);
  EXPECT_EQ(cost.offers, 3U + 2U);
}

TEST_P(Counting, AWriteThatChangesNothingCostsNothing) {
  const std::string policy = R"({"type": "MeshTimeout", "mesh": "default", "name": "slow-nobody",
      "spec": {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "nobody"}},
               "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "7s"}}]}})";
  house.put("/meshes/default/meshtimeouts/slow-nobody", policy);
  settle();
  const Counts before = now();

  house.put("/meshes/default/meshtimeouts/slow-nobody", policy);
  house.put_dataplane("default", "web-1", "10.0.1.1", "web", {"kv"});
  house.put_dataplane("default", "kv-1", "10.0.3.1", "kv");
  let_db(true);  // what there might have been went before this

  const Counts cost = since(before);
  EXPECT_EQ(cost.full_builds, 0U);
  EXPECT_EQ(cost.partial_builds, 2U);
  EXPECT_EQ(cost.offers, 2U);
  EXPECT_EQ(cost.pushes, 2U);
  EXPECT_EQ(cost.resources_made, 1U);
}

TEST(CountingOverDelta, AProxyThatComesBackWithEverythingIsSentNothing) {
  HouseOfFlow house;
  house.start();
  house.put_dataplane("default", "kv-1", "10.0.3.1", "kv");
  house.put_dataplane("default", "web-1", "10.0.1.1", "web", {"kv"});
  const auto kv = house.envoy("default", "kv-1");
  const auto web = house.envoy("default", "web-1");
  ASSERT_TRUE(web->wait_for_endpoints("kv", "10.0.3.1:8080"));
  ASSERT_TRUE(web->wait_for_type(XdsType::Listener));

  web->disconnect();
  web->connect();
  // It is served again once it is sent what changes now; and that is all it is sent.
  house.put_dataplane("default", "kv-1", "10.0.3.9", "kv");
  ASSERT_TRUE(web->wait_for_endpoints("kv", "10.0.3.9:8080"));
  EXPECT_EQ(web->resources_received(), 1);
  EXPECT_LT(web->bytes_received(), 512U);
}

}  // namespace
}  // namespace mesh::flow
