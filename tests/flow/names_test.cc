// From the first Dataplane of a service to the listeners and names of those who may call it: what comes, and that it
// costs nobody else anything. How long it takes is measured, not tested (docs/dynamic-outbounds.md).
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <set>

#include "flow/house_of_flow.h"

namespace mesh::flow {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kBinds = "feature-bind-outbounds";
constexpr const char* kServesNames = "feature-embedded-dns";
constexpr const char* kNamesListener = "_kuma:dynamicconfig";

// Listeners at virtual addresses.
std::set<std::string> outbounds(const FakeEnvoy& envoy) {
  std::set<std::string> out;
  for (const auto& [name, body] : envoy.resources(XdsType::Listener))
    if (name.starts_with("outbound:127.1.") || name.starts_with("outbound:127.4.")) out.insert(name);
  return out;
}

std::string names_of(const FakeEnvoy& envoy) {
  const FakeEnvoy::Resources all = envoy.resources(XdsType::Listener);
  const auto found = all.find(kNamesListener);
  return found == all.end() ? std::string() : found->second;
}

class Names : public testing::TestWithParam<Speaks> {
 protected:
  Names() {
    house.settings.dns_server.cidr = "127.1.0.0/16";
    house.settings.dns_server.service_vip_port = 8080;
    house.settings.dns_server.domain = "mesh.local";
    house.settings.ipam.mesh_service.cidr = "127.4.0.0/16";
  }
  void start(const std::string& mode) {
    house.start();
    house.put("/meshes/default", R"({"type": "Mesh", "name": "default", "meshServices": {"mode": ")" + mode + R"("}})");
  }
  std::unique_ptr<FakeEnvoy> proxy(const std::string& name, const std::string& service,
                                   const std::vector<std::string>& features) {
    house.put_dataplane("default", name, "10.0.1." + std::to_string(++proxies), service, {"kv"});
    auto envoy = house.envoy("default", name, GetParam(), false, features);
    EXPECT_TRUE(envoy->wait_for_type(XdsType::Listener)) << envoy->closed_because();
    return envoy;
  }
  void permit(const std::string& name, const std::string& service, const std::string& caller) {
    house.put("/meshes/default/meshtrafficpermissions/" + name,
              json::serialize(json::parse(
                  R"({"type": "MeshTrafficPermission", "mesh": "default", "name": ")" + name +
                  R"(", "spec": {"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": ")" + service +
                  R"("}}, "from": [{"targetRef": {"kind": "MeshSubset", "tags": {"kuma.io/service": ")" + caller +
                  R"("}}, "default": {"action": "Allow"}}]}})")));
  }
  // Of a MeshService, once it is there with name and address: "outbound:127.4.0.1:8080".
  std::string listener_of(const FakeEnvoy& envoy, const std::string& service) {
    std::string listener;
    EXPECT_TRUE(envoy.wait([&] {
      const wire::Response answer = house.request("GET", "/meshes/default/meshservices/" + service);
      if (answer.status != 200) return false;
      boost::system::error_code problem;
      const json::value document = json::parse(answer.body);
      const json::value* address = document.find_pointer("/status/vips/0/ip", problem);
      const json::value* name = document.find_pointer("/status/addresses/0/hostname", problem);
      if (address == nullptr || name == nullptr) return false;
      EXPECT_EQ(name->as_string(), service + ".svc.mesh.local");
      listener = "outbound:" + std::string(address->as_string()) + ":8080";
      return outbounds(envoy).contains(listener);
    }));
    return listener;
  }

  HouseOfFlow house;
  int proxies = 0;
};

INSTANTIATE_TEST_SUITE_P(Encodings, Names, testing::Values(Speaks::Delta, Speaks::StateOfTheWorld),
                         [](const auto& speaks) {
                           return speaks.param == Speaks::Delta ? "Delta" : "StateOfTheWorld";
                         });

TEST_P(Names, OfANewServiceCostEachProxyThatBindsItsOutboundsOneListener) {
  start("Disabled");
  const auto plain = proxy("plain-1", "apps", {});
  const auto first = proxy("app-1", "apps", {kBinds}), second = proxy("app-2", "apps", {kBinds});
  const auto wait_for_outbounds = [&](std::size_t count) {
    for (FakeEnvoy* envoy : {first.get(), second.get()})
      ASSERT_TRUE(envoy->wait([&] { return outbounds(*envoy).size() == count; }));
  };
  const auto come = [&](const std::string& service) {
    house.put_dataplane("default", service + "-1", "10.0.2.1", service);
    wait_for_outbounds(2);  // that, and their own service
  };
  const auto go = [&](const std::string& service) {
    house.remove("/meshes/default/dataplanes/" + service + "-1");
    wait_for_outbounds(1);
  };
  come("early");  // what was owed to whoever had just connected is done after this
  go("early");
  const int plain_pushes = plain->pushes();
  const int pushes[] = {first->pushes(XdsType::Listener), second->pushes(XdsType::Listener)};
  const std::uint64_t full_builds = house.counters().builds.full_builds;

  come("late");

  EXPECT_EQ(first->pushes(XdsType::Listener), pushes[0] + 1);
  EXPECT_EQ(second->pushes(XdsType::Listener), pushes[1] + 1);
  EXPECT_TRUE(first->resources(XdsType::Cluster).contains("late"));
  EXPECT_EQ(outbounds(*first), outbounds(*second));
  go("late");
  EXPECT_EQ(plain->pushes(), plain_pushes);
  EXPECT_EQ(house.counters().builds.full_builds, full_builds);
}

TEST_P(Names, OfAMeshServiceComeWithItsAddressAndItsListenerAndGoWithIt) {
  house.settings.mesh_service.deletion_grace_period = Duration::zero();
  start("Exclusive");
  const auto caller = proxy("app-1", "apps", {kBinds, kServesNames});
  house.put_dataplane("default", "late-1", "10.0.2.1", "late");
  const std::string listener = listener_of(*caller, "late");
  ASSERT_TRUE(caller->wait([&] { return names_of(*caller).contains("late.svc.mesh.local"); }));
  EXPECT_THAT(names_of(*caller), HasSubstr("apps.svc.mesh.local"));
  EXPECT_THAT(names_of(*caller), Not(HasSubstr("late.mesh.local")));  // no address of kuma.io/service in this mode

  house.remove("/meshes/default/dataplanes/late-1");
  ASSERT_TRUE(caller->wait([&] { return !outbounds(*caller).contains(listener); }));
  ASSERT_TRUE(caller->wait([&] { return !names_of(*caller).contains("late"); }));
}

TEST_P(Names, AreToldToThoseWhoServeThemAndToNobodyElse) {
  start("Disabled");
  const auto serving = proxy("app-1", "apps", {kBinds, kServesNames}), other = proxy("app-2", "apps", {kBinds});
  const auto plain = proxy("plain-1", "apps", {kServesNames});  // it has no address to lead to
  house.put_dataplane("default", "late-1", "10.0.2.1", "late");
  ASSERT_TRUE(serving->wait([&] { return names_of(*serving).contains("late.mesh.local"); }));
  ASSERT_TRUE(other->wait([&] { return outbounds(*other).size() == 2; }));
  EXPECT_EQ(names_of(*other), "");
  EXPECT_EQ(names_of(*plain), "");
}

TEST_P(Names, AreOnlyOfWhatPermissionsLetTheProxyCallWhereThatIsAsked) {
  house.settings.experimental.auto_reachable_services = true;
  start("Everywhere");
  const auto web = proxy("web-1", "web", {kBinds, kServesNames});
  house.put_dataplane("default", "late-1", "10.0.2.1", "late");
  permit("web-to-late", "late", "web");
  const std::string listener = listener_of(*web, "late");
  ASSERT_TRUE(web->wait([&] { return outbounds(*web).size() == 2; }));  // by kuma.io/service too; not their own
  EXPECT_THAT(names_of(*web), HasSubstr("late.svc.mesh.local"));
  EXPECT_THAT(names_of(*web), Not(HasSubstr("web.svc.mesh.local")));

  permit("web-to-late", "late", "somebody-else");
  ASSERT_TRUE(web->wait([&] { return outbounds(*web).empty(); }));
  permit("web-to-late", "late", "web");
  ASSERT_TRUE(web->wait([&] { return outbounds(*web).size() == 2; }));
  house.remove("/meshes/default/meshtrafficpermissions/web-to-late");
  ASSERT_TRUE(web->wait([&] { return outbounds(*web).empty(); }));
}

TEST_P(Names, AreWaitedForUntilTheProxiesListen) {
  start("Disabled");
  const auto caller = proxy("app-1", "apps", {kBinds});
  house.put_dataplane("default", "late-1", "10.0.2.1", "late");
  ASSERT_TRUE(caller->wait([&] { return outbounds(*caller).size() == 2; }));
  auto done = std::make_shared<std::promise<void>>();
  const Revision upto = house.control_plane().pipeline().snapshot()->upto;
  house.control_plane().pipeline().when_listeners_are_out("default", upto, std::chrono::minutes(10),
                                                          [done] { done->set_value(); });
  EXPECT_EQ(done->get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

TEST_P(Names, AreNotWaitedForLongerThanAsked) {
  start("Disabled");
  auto done = std::make_shared<std::promise<void>>();
  const Revision never = house.control_plane().pipeline().snapshot()->upto + 1'000'000;
  house.control_plane().pipeline().when_listeners_are_out("default", never, std::chrono::milliseconds(10),
                                                          [done] { done->set_value(); });
  EXPECT_EQ(done->get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
}

}  // namespace
}  // namespace mesh::flow
