// From a write at the REST interface to what an Envoy has been sent, and back to what people see.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/house_of_flow.h"
#include "identity/certificates.h"
#include "model/secret.h"
#include "store/store.h"

namespace mesh::flow {
namespace {

using testing::HasSubstr;

class Flow : public testing::TestWithParam<Speaks> {
 protected:
  // Envoys that call kv, connected and with their listeners.
  void callers(int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "web-" + std::to_string(i);
      house.put_dataplane("default", name, "10.0.1." + std::to_string(i + 1), "web", {"kv"});
      envoys.push_back(house.envoy("default", name, GetParam()));
    }
    for (const auto& envoy : envoys) {
      ASSERT_TRUE(envoy->wait_for_type(XdsType::Listener)) << envoy->closed_because();
      ASSERT_TRUE(envoy->wait_for_type(XdsType::Endpoint)) << envoy->closed_because();
    }
  }
  std::unique_ptr<FakeEnvoy> join(const std::string& name, const std::string& address, const std::string& service,
                                  const std::vector<std::string>& calls = {}) {
    house.put_dataplane("default", name, address, service, calls);
    auto envoy = house.envoy("default", name, GetParam());
    EXPECT_TRUE(envoy->wait_for_type(XdsType::Listener)) << envoy->closed_because();
    if (!calls.empty()) EXPECT_TRUE(envoy->wait_for_type(XdsType::Endpoint)) << envoy->closed_because();
    return envoy;
  }

  HouseOfFlow house;
  std::vector<std::unique_ptr<FakeEnvoy>> envoys;
};

INSTANTIATE_TEST_SUITE_P(Encodings, Flow, testing::Values(Speaks::Delta, Speaks::StateOfTheWorld),
                         [](const auto& speaks) {
                           return speaks.param == Speaks::Delta ? "Delta" : "StateOfTheWorld";
                         });

TEST_P(Flow, AnEndpointThatJoinsIsPushedToExactlyItsCallers) {
  house.start();
  // Known, with their protocol, but without a proxy: what follows is about endpoints alone.
  house.put_dataplane("default", "something-1", "10.0.4.1", "something");
  house.put_dataplane("default", "kv-1", "10.0.3.1", "kv");
  const auto other = join("other-1", "10.0.2.1", "other", {"something"});
  callers(3);
  const int before = other->pushes();

  const auto kv = join("kv-1", "10.0.3.1", "kv");
  for (const auto& envoy : envoys) EXPECT_TRUE(envoy->wait_for_endpoints("kv", "10.0.3.1:8080"));

  // What comes later is there, so what would have come before has not.
  const auto something = join("something-1", "10.0.4.1", "something");
  EXPECT_TRUE(other->wait_for_endpoints("something", "10.0.4.1:8080"));
  EXPECT_EQ(other->pushes() - before, 1);
}

TEST_P(Flow, AProxyThatLeavesIsTakenOutAtItsCallersAndANewOneComesIn) {
  house.settings.liveness.one_gone = Duration::zero();
  house.start();
  callers(2);
  const auto first = join("kv-1", "10.0.3.1", "kv");
  const auto second = join("kv-2", "10.0.3.2", "kv");
  for (const auto& envoy : envoys) EXPECT_TRUE(envoy->wait_for_endpoints("kv", "10.0.3.1:8080 10.0.3.2:8080"));
  first->disconnect();
  for (const auto& envoy : envoys) EXPECT_TRUE(envoy->wait_for_endpoints("kv", "10.0.3.2:8080"));
  first->connect();
  for (const auto& envoy : envoys) EXPECT_TRUE(envoy->wait_for_endpoints("kv", "10.0.3.1:8080 10.0.3.2:8080"));
}

TEST_P(Flow, APolicyIsPushedToThoseThatItSelects) {
  house.start();
  callers(3);
  const auto other = join("other-1", "10.0.2.1", "other", {"kv"});
  const auto before = house.counters();
  const std::string policy = R"({"type": "MeshTimeout", "mesh": "default", "name": "slow-web", "spec": {
      "targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": "web"}},
      "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "7s"}}]}})";
  std::vector<int> pushes;
  for (const auto& envoy : envoys) pushes.push_back(envoy->pushes(XdsType::Cluster));
  const int others = other->pushes();

  house.put("/meshes/default/meshtimeouts/slow-web", policy);
  for (std::size_t i = 0; i < envoys.size(); ++i)
    EXPECT_TRUE(envoys[i]->wait([&] { return envoys[i]->pushes(XdsType::Cluster) > pushes[i]; }));
  EXPECT_EQ(other->pushes(), others);
  EXPECT_EQ(house.counters().builds.full_builds - before.builds.full_builds, 3U);
}

TEST_P(Flow, AWriteThatChangesNothingIsPushedToNobody) {
  house.start();
  callers(1);
  const auto kv = join("kv-1", "10.0.3.1", "kv");
  ASSERT_TRUE(envoys[0]->wait_for_endpoints("kv", "10.0.3.1:8080"));
  const auto before = house.counters();
  house.put_dataplane("default", "kv-1", "10.0.3.1", "kv");
  house.put_dataplane("default", "kv-2", "10.0.3.2", "kv");  // has no proxy
  const auto second = join("kv-3", "10.0.3.3", "kv");
  ASSERT_TRUE(envoys[0]->wait_for_endpoints("kv", "10.0.3.1:8080 10.0.3.3:8080"));
  EXPECT_EQ(house.counters().refusals, 0U);
  EXPECT_LE(house.counters().builds.offers - before.builds.offers, 3U);
}

TEST_P(Flow, WhatAnEnvoyRefusedShowsInItsInsightWithTheReason) {
  house.start();
  house.put_dataplane("default", "web-1", "10.0.1.1", "web");
  const auto envoy = join("web-1", "10.0.1.1", "web");
  envoy->refuse_next(XdsType::Listener, "unknown cipher suite");
  house.put_dataplane("default", "web-1", "10.0.1.9", "web");
  ASSERT_TRUE(envoy->wait([&] { return house.counters().refusals == 1; }));
  EXPECT_TRUE(envoy->wait([&] {
    return house.get("/meshes/default/dataplanes/web-1/_overview").find("unknown cipher suite") != std::string::npos;
  }));
}

TEST_P(Flow, TheConfigurationThatAProxyHasCanBeLookedAt) {
  house.start();
  callers(1);
  EXPECT_THAT(house.get("/meshes/default/dataplanes/web-0/_config"), HasSubstr("inbound:10.0.1.1:8080"));
}

TEST_P(Flow, ARestartOfTheControlPlaneTakesNoEndpointsFromAnybody) {
  house.settings.store.type = "sqlite";
  house.start();
  callers(1);
  {
    const auto kv = join("kv-1", "10.0.3.1", "kv");
    ASSERT_TRUE(envoys[0]->wait_for_endpoints("kv", "10.0.3.1:8080"));
    house.stop();  // kv's Envoy does not come back
  }
  house.start();
  const auto web = house.envoy("default", "web-0", GetParam());
  EXPECT_TRUE(web->wait_for_endpoints("kv", "10.0.3.1:8080"));
}

TEST(FlowOverDelta, AReconnectIsAnsweredWithNothingThatTheEnvoyHas) {
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
  // It is there again: an endpoint that joins now reaches it, and is all that it is sent.
  house.put_dataplane("default", "kv-2", "10.0.3.2", "kv");
  const auto second = house.envoy("default", "kv-2");
  ASSERT_TRUE(web->wait_for_endpoints("kv", "10.0.3.1:8080 10.0.3.2:8080"));
  EXPECT_EQ(web->resources_received(), 1);
}

TEST(FlowOfCertificates, AChangeOfCaReachesEverybodyInSteps) {
  HouseOfFlow house;
  house.start();
  house.put_mesh("secure", "ca-1", {"ca-1"});
  house.put_dataplane("secure", "kv-1", "10.0.3.1", "kv");
  house.put_dataplane("secure", "web-1", "10.0.1.1", "web", {"kv"});
  const auto kv = house.envoy("secure", "kv-1", Speaks::Delta, true);
  const auto web = house.envoy("secure", "web-1", Speaks::StateOfTheWorld, true);
  const auto identity = [](const FakeEnvoy& envoy) {
    return envoy.resources(XdsType::Secret)["identity_cert:secret:secure"];
  };
  const auto trust = [](const FakeEnvoy& envoy) { return envoy.resources(XdsType::Secret)["mesh_ca:secret:secure"]; };
  for (const auto& envoy : {kv.get(), web.get()})
    ASSERT_TRUE(envoy->wait([&] { return !identity(*envoy).empty() && !trust(*envoy).empty(); }))
        << envoy->closed_because();
  ASSERT_TRUE(web->wait_for_endpoints("kv", "10.0.3.1:8080"));
  const std::string first_identity = identity(*web), first_trust = trust(*web);

  // The operator puts a new root in the place of the old one.
  const Result<KeyPair> root = make_builtin_root("secure", CaBackend{.name = "ca-1", .type = "builtin"}, real_clock());
  ASSERT_TRUE(root) << root.error().message();
  std::vector<Write> secrets(2);
  secrets[0].resource =
      secret_resource("secure", builtin_certificate_secret("secure", "ca-1"), Secret(root->certificate_pem));
  secrets[1].resource = secret_resource("secure", builtin_key_secret("secure", "ca-1"), root->key_pem);
  ASSERT_TRUE(house.control_plane().store().write(std::move(secrets)));
  for (const auto& envoy : {kv.get(), web.get()}) {
    // Both roots, then the new certificate, then the new root alone: two certificates' size is twice one's, roughly.
    EXPECT_TRUE(envoy->wait([&] {
      return identity(*envoy) != first_identity && trust(*envoy) != first_trust &&
             trust(*envoy).size() < first_trust.size() * 3 / 2;
    }));
  }
  EXPECT_EQ(house.counters().certificates, 4U);
}

}  // namespace
}  // namespace mesh::flow
