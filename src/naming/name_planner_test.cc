#include "naming/name_planner.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/dataplane.h"
#include "model/insight.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A store in one map, with the planner beside it: what is planned is written, and told back.
class NamePlannerTest : public testing::Test {
 protected:
  NamePlannerTest() {
    settings.zone = "ecs";
    settings.ranges = {range("127.1.0.0/16"), range("127.4.0.0/16"), range("127.3.0.0/16"), range("127.2.0.0/16")};
    begin_term();
  }
  static AddressRange range(const char* text) { return AddressRange::parse(text).value(); }

  void begin_term() {
    planner = std::make_unique<NamePlanner>(settings);
    for (const auto& [key, resource] : store) planner->on_put(resource);
  }
  void put(ResourceKey key, AnySpec spec, Labels labels = {}) {
    Resource& stored = store[key];
    if (stored.spec.empty()) stored.created = now;
    stored.key = std::move(key);
    stored.labels = std::move(labels);
    stored.spec = std::move(spec);
    stored.revision = ++revision;
    planner->on_put(stored);
  }
  void remove(const ResourceKey& key) {
    store.erase(key);
    planner->on_delete(key);
  }
  void mesh(MeshServicesMode mode, const std::string& name = "default", bool tls = false) {
    Mesh spec;
    spec.mesh_services = MeshServices{mode};
    if (tls) {
      spec.mtls = Mtls{};
      spec.mtls->enabled_backend = "ca";
      spec.mtls->backends.emplace_back().name = "ca";
    }
    put({&kMeshKind, {}, name}, AnySpec::of(spec));
  }
  ResourceKey dataplane(const std::string& name, const std::string& service, std::uint32_t port = 8080,
                        InboundState state = InboundState::Ready, const std::string& in = "default") {
    Dataplane spec;
    spec.networking.address = "10.0.0.1";
    Inbound inbound;
    inbound.port = port;
    inbound.state = state;
    inbound.tags = {{kServiceTag, service}, {kProtocolTag, "http"}};
    spec.networking.inbound.push_back(std::move(inbound));
    const ResourceKey key{&kDataplaneKind, in, name};
    put(key, AnySpec::of(std::move(spec)));
    return key;
  }
  void insight(const std::string& name, bool online, bool certified = false) {
    DataplaneInsight spec;
    spec.subscriptions.emplace_back();
    if (!online) spec.subscriptions.back().disconnect_time = now;
    if (certified) spec.mtls.emplace().issued_backend = "ca";
    put({&kDataplaneInsightKind, "default", name}, AnySpec::of(spec));
  }
  void generator(const std::string& name, const std::string& text) {
    HostnameGenerator spec;
    spec.selector.mesh_service = LabelSelector{};
    spec.template_ = text;
    put({&kHostnameGeneratorKind, {}, name}, AnySpec::of(spec));
  }

  // Plans and writes until nothing is left to do; how many writes that took.
  int settle() {
    int writes = 0;
    for (int round = 0; round < 10; ++round) {
      NamePlanner::Plan plan = planner->plan(now);
      next = plan.next;
      if (plan.writes.empty()) return writes;
      for (NamePlanner::Write& write : plan.writes) {
        ++writes;
        apply(std::move(write));
      }
    }
    ADD_FAILURE() << "it never settles";
    return writes;
  }
  void apply(NamePlanner::Write write) {
    const ResourceKey key = write.resource.key;
    const auto stored = store.find(key);
    ASSERT_EQ(write.stored, stored == store.end() ? 0 : stored->second.revision) << key.to_string();
    if (write.remove) return remove(key);
    write.resource.revision = ++revision;
    store[key] = std::move(write.resource);
    planner->on_put(store[key]);
  }

  static ResourceKey key_of(const std::string& name, const std::string& in = "default") {
    return {&kMeshServiceKind, in, name};
  }
  const Resource* find(const std::string& name, const std::string& in = "default") {
    const auto found = store.find(key_of(name, in));
    return found == store.end() ? nullptr : &found->second;
  }
  std::string vip(const std::string& name, const std::string& in = "default") {
    const Resource* service = find(name, in);
    return service == nullptr ? "no such service" : vip_of(*service);
  }
  std::string service_vip(const std::string& name) {
    return planner->ledger().holds("service/" + name) ? *planner->ledger().find("service/" + name) : "none";
  }
  const MeshServiceStatus& status(const std::string& name) { return *find(name)->status.as<MeshServiceStatus>(); }
  std::vector<int> ports(const std::string& name) {
    std::vector<int> out;
    for (const ServicePort& port : find(name)->spec_as<MeshService>().ports) out.push_back(port.port);
    return out;
  }

  NamingSettings settings;
  SystemTime now{500'000h};
  Revision revision = 0;
  std::map<ResourceKey, Resource> store;
  std::unique_ptr<NamePlanner> planner;
  std::optional<SystemTime> next;
};

TEST_F(NamePlannerTest, TheFirstDataplaneOfAServiceMakesItWithNameAndAddressInOneWrite) {
  mesh(MeshServicesMode::Exclusive);
  generator("local", "{{ .DisplayName }}.svc.mesh.local");
  settle();
  dataplane("kv-1", "kv", 15050);
  const NamePlanner::Plan plan = planner->plan(now);
  ASSERT_THAT(plan.writes, SizeIs(2));  // the block of addresses, and the service
  const Resource& service = plan.writes[1].resource;
  EXPECT_EQ(service.key, key_of("kv"));
  EXPECT_EQ(vip_of(service), "127.4.0.0");
  ASSERT_THAT(hostnames_of(service), SizeIs(1));
  EXPECT_EQ(hostnames_of(service)[0].hostname, "kv.svc.mesh.local");
  const auto& spec = service.spec_as<MeshService>();
  EXPECT_EQ(spec.state, ServiceState::Available);
  EXPECT_EQ(spec.selector.dataplane_tags->at(kServiceTag), "kv");
  ASSERT_THAT(spec.ports, SizeIs(1));
  EXPECT_EQ(spec.ports[0].name, "15050");
  EXPECT_EQ(spec.ports[0].target_number(), 15050);
  EXPECT_EQ(spec.ports[0].app_protocol, "http");
  EXPECT_THAT(spec.identities, ElementsAre(ServiceIdentity{IdentityType::ServiceTag, "kv"}));
  EXPECT_EQ(service.labels, (Labels{{"kuma.io/display-name", "kv"},
                                    {"kuma.io/env", "universal"},
                                    {"kuma.io/managed-by", "meshservice-generator"},
                                    {"kuma.io/mesh", "default"},
                                    {"kuma.io/origin", "zone"},
                                    {"kuma.io/zone", "ecs"}}));
}

TEST_F(NamePlannerTest, InModeDisabledThereAreAddressesOfServiceTagsOnly) {
  mesh(MeshServicesMode::Disabled);
  dataplane("kv-1", "kv");
  settle();
  EXPECT_EQ(find("kv"), nullptr);
  EXPECT_EQ(service_vip("kv"), "127.1.0.0");
}

TEST_F(NamePlannerTest, InModeExclusiveThereAreNone) {
  mesh(MeshServicesMode::Exclusive);
  dataplane("kv-1", "kv");
  settle();
  EXPECT_EQ(vip("kv"), "127.4.0.0");
  EXPECT_EQ(service_vip("kv"), "none");
}

TEST_F(NamePlannerTest, InModeEverywhereThereAreBoth) {
  mesh(MeshServicesMode::Everywhere);
  dataplane("kv-1", "kv");
  settle();
  EXPECT_EQ(vip("kv"), "127.4.0.0");
  EXPECT_EQ(service_vip("kv"), "127.1.0.0");
}

TEST_F(NamePlannerTest, AServiceTagHasOneAddressInAllMeshes) {
  mesh(MeshServicesMode::Disabled, "one");
  mesh(MeshServicesMode::Disabled, "two");
  const ResourceKey first = dataplane("a", "kv", 80, InboundState::Ready, "one");
  const ResourceKey second = dataplane("b", "kv", 80, InboundState::Ready, "two");
  settle();
  EXPECT_EQ(service_vip("kv"), "127.1.0.0");
  remove(first);
  settle();
  EXPECT_EQ(service_vip("kv"), "127.1.0.0");
  remove(second);
  settle();
  EXPECT_EQ(service_vip("kv"), "none");
}

TEST_F(NamePlannerTest, AModeThatChangesMakesAndRemoves) {
  mesh(MeshServicesMode::Disabled);
  dataplane("kv-1", "kv");
  settle();
  mesh(MeshServicesMode::Exclusive);
  settle();
  EXPECT_NE(find("kv"), nullptr);
  EXPECT_EQ(service_vip("kv"), "none");
  mesh(MeshServicesMode::Disabled);
  settle();
  EXPECT_EQ(find("kv"), nullptr);
  EXPECT_EQ(service_vip("kv"), "127.1.0.0") << "it comes back in time to what it had";
}

TEST_F(NamePlannerTest, ANameThatIsNoLabelGetsNoMeshService) {
  mesh(MeshServicesMode::Exclusive);
  dataplane("a", "web_default_svc_80");
  dataplane("b", "1st");
  settle();
  EXPECT_EQ(find("web_default_svc_80"), nullptr);
  EXPECT_EQ(find("1st"), nullptr);
}

TEST_F(NamePlannerTest, WithoutDataplanesAServiceStaysForItsGrace) {
  mesh(MeshServicesMode::Exclusive);
  const ResourceKey proxy = dataplane("kv-1", "kv");
  settle();
  remove(proxy);
  settle();
  ASSERT_NE(find("kv"), nullptr);
  EXPECT_TRUE(find("kv")->labels.contains(kDeletionGraceLabel));
  EXPECT_EQ(find("kv")->spec_as<MeshService>().state, ServiceState::Unavailable);
  ASSERT_EQ(next, now + 1h);
  now += 1h;
  settle();
  EXPECT_EQ(find("kv"), nullptr);
}

TEST_F(NamePlannerTest, ADataplaneWithinTheGraceKeepsTheService) {
  mesh(MeshServicesMode::Exclusive);
  const ResourceKey proxy = dataplane("kv-1", "kv");
  settle();
  remove(proxy);
  settle();
  now += 59min;
  dataplane("kv-2", "kv");
  settle();
  EXPECT_FALSE(find("kv")->labels.contains(kDeletionGraceLabel));
  now += 2h;
  settle();
  EXPECT_EQ(vip("kv"), "127.4.0.0");
}

TEST_F(NamePlannerTest, DataplanesThatDisagreeOnPortsAreNamedAndTheServiceKeepsItsOwn) {
  mesh(MeshServicesMode::Exclusive);
  const ResourceKey first = dataplane("kv-1", "kv", 80);
  now += 1s;
  dataplane("kv-2", "kv", 81);
  settle();
  EXPECT_THAT(ports("kv"), ElementsAre(80));
  ASSERT_THAT(status("kv").conditions, SizeIs(1));
  EXPECT_EQ(status("kv").conditions[0].type, "PortConflict");
  EXPECT_THAT(status("kv").conditions[0].message, HasSubstr("kv-2"));
  remove(first);
  settle();
  EXPECT_THAT(ports("kv"), ElementsAre(81));
  EXPECT_THAT(status("kv").conditions, IsEmpty());
}

TEST_F(NamePlannerTest, AServiceThatAPersonMadeIsNamedButNotRewritten) {
  mesh(MeshServicesMode::Exclusive);
  MeshService spec;
  spec.selector.dataplane_tags = Tags{{kServiceTag, "kv"}, {kProtocolTag, "http"}};
  spec.ports.push_back({.name = "main", .port = 80, .target_port = 8080});
  put(key_of("kv"), AnySpec::of(spec));
  dataplane("kv-1", "kv");
  settle();
  EXPECT_THAT(ports("kv"), ElementsAre(80));
  EXPECT_EQ(vip("kv"), "127.4.0.0");
  EXPECT_EQ(status("kv").dataplane_proxies.total, 1);
  EXPECT_EQ(status("kv").dataplane_proxies.healthy, 1);
}

TEST_F(NamePlannerTest, CountsFollowTheProxiesAndAreWrittenOnceInAWhile) {
  mesh(MeshServicesMode::Exclusive);
  dataplane("kv-1", "kv");
  settle();
  insight("kv-1", true);
  EXPECT_EQ(settle(), 0);
  ASSERT_EQ(next, now + 1s);
  dataplane("kv-2", "kv", 8080, InboundState::NotReady);
  now += 1s;
  EXPECT_EQ(settle(), 1);
  EXPECT_EQ(status("kv").dataplane_proxies.connected, 1);
  EXPECT_EQ(status("kv").dataplane_proxies.healthy, 1);
  EXPECT_EQ(status("kv").dataplane_proxies.total, 2);
}

TEST_F(NamePlannerTest, TlsIsReadyWhenEveryProxyHasACertificateAndStaysSo) {
  mesh(MeshServicesMode::Exclusive, "default", true);
  dataplane("kv-1", "kv");
  settle();
  EXPECT_EQ(status("kv").tls.status, TlsStatus::NotReady);
  insight("kv-1", true, true);
  settle();
  EXPECT_EQ(status("kv").tls.status, TlsStatus::Ready);
  dataplane("kv-2", "kv");
  now += 1s;
  settle();
  EXPECT_EQ(status("kv").tls.status, TlsStatus::Ready);
  mesh(MeshServicesMode::Exclusive, "default", false);
  settle();
  EXPECT_EQ(status("kv").tls.status, TlsStatus::NotReady);
}

TEST_F(NamePlannerTest, WhatADnsServiceSaidOfANameStaysWhileTheNameDoes) {
  mesh(MeshServicesMode::Exclusive);
  generator("local", "{{ .Name }}.a");
  dataplane("kv-1", "kv");
  settle();
  Resource service = *find("kv");
  auto with_word = *service.status.as<MeshServiceStatus>();
  with_word.hostname_generators.at(0).conditions.push_back({kPublishedCondition, "True", "InSync", "", now});
  service.status = AnySpec::of(with_word);
  service.revision = ++revision;
  store[service.key] = service;
  planner->on_put(service);
  EXPECT_EQ(settle(), 0);
  insight("kv-1", true);
  now += 1s;
  settle();
  EXPECT_THAT(status("kv").hostname_generators.at(0).conditions, SizeIs(2));
  generator("local", "{{ .Name }}.b");
  settle();
  EXPECT_THAT(status("kv").hostname_generators.at(0).conditions, SizeIs(1));
}

TEST_F(NamePlannerTest, TheNextLeaderGoesOnWhereThisOneStopped) {
  mesh(MeshServicesMode::Everywhere);
  for (const char* name : {"a", "b", "c"}) dataplane(std::string(name) + "-1", name);
  settle();
  const std::string before = vip("b") + service_vip("b");
  begin_term();
  EXPECT_EQ(settle(), 0);
  EXPECT_EQ(vip("b") + service_vip("b"), before);
}

TEST_F(NamePlannerTest, AnAddressIsKeptBackAlsoWhenItsOwnerWentWhileNobodyLed) {
  settings.quarantine = 1h;
  mesh(MeshServicesMode::Exclusive);
  dataplane("a-1", "a");
  settle();
  ASSERT_EQ(vip("a"), "127.4.0.0");
  store.erase(key_of("a"));
  store.erase({&kDataplaneKind, "default", "a-1"});
  begin_term();
  dataplane("b-1", "b");
  settle();
  EXPECT_EQ(vip("b"), "127.4.0.1");
  EXPECT_EQ(planner->ledger().pool_for("msvc/").kept_back(), 1U);
  now += 1h;
  settle();
  EXPECT_EQ(planner->ledger().pool_for("msvc/").kept_back(), 0U);
}

TEST_F(NamePlannerTest, AFullRangeIsSaidOfTheServiceAndMendedWhenAnAddressIsFree) {
  settings.ranges.mesh_service = range("127.4.0.0/31");
  settings.quarantine = 1h;
  settings.deletion_grace = 0s;
  begin_term();
  mesh(MeshServicesMode::Exclusive);
  const ResourceKey a = dataplane("a-1", "a");
  dataplane("b-1", "b");
  dataplane("c-1", "c");
  settle();
  EXPECT_EQ(vip("c"), "");
  ASSERT_THAT(status("c").conditions, SizeIs(1));
  EXPECT_EQ(status("c").conditions[0].reason, "RangeIsFull");
  EXPECT_THAT(status("c").conditions[0].message, HasSubstr("the range 127.4.0.0/31 is full: 2 addresses are in use"));
  remove(a);
  settle();
  EXPECT_EQ(vip("c"), "");
  now += 1h;
  settle();
  EXPECT_EQ(vip("c"), "127.4.0.0");
  EXPECT_THAT(status("c").conditions, IsEmpty());
}

TEST_F(NamePlannerTest, AnotherRangeGivesNewAddresses) {
  mesh(MeshServicesMode::Everywhere);
  dataplane("a-1", "a");
  settle();
  settings.ranges.mesh_service = range("127.9.0.0/16");
  begin_term();
  settle();
  EXPECT_EQ(vip("a"), "127.9.0.0");
  EXPECT_EQ(service_vip("a"), "127.1.0.0");
}

TEST_F(NamePlannerTest, AMultiZoneServiceShowsWhomItTakesTogether) {
  mesh(MeshServicesMode::Exclusive);
  MeshMultiZoneService spec;
  spec.selector.mesh_service.match_labels = {{"kuma.io/display-name", "kv"}};
  spec.ports.push_back({.name = {}, .port = 80});
  const ResourceKey key{&kMeshMultiZoneServiceKind, "default", "kv-all"};
  put(key, AnySpec::of(spec));
  settle();
  const auto members = [&] { return store.at(key).status.as<MeshMultiZoneServiceStatus>(); };
  EXPECT_EQ(members()->conditions.at(0).reason, "NoMatchesFound");
  EXPECT_EQ(vip_of(store.at(key)), "127.2.0.0");
  dataplane("kv-1", "kv");
  settle();
  ASSERT_THAT(members()->mesh_services, SizeIs(1));
  EXPECT_EQ(members()->mesh_services[0].name, "kv");
  EXPECT_EQ(members()->mesh_services[0].zone, "ecs");
}

TEST_F(NamePlannerTest, AWriteThatFailedIsPlannedAgain) {
  mesh(MeshServicesMode::Exclusive);
  dataplane("kv-1", "kv");
  const NamePlanner::Plan lost = planner->plan(now);
  ASSERT_THAT(lost.writes, SizeIs(2));
  EXPECT_THAT(planner->plan(now).writes, IsEmpty()) << "it waits for the store";
  for (const NamePlanner::Write& write : lost.writes) planner->on_write_failed(write);
  EXPECT_EQ(settle(), 2);
  EXPECT_EQ(vip("kv"), "127.4.0.0");
}

TEST_F(NamePlannerTest, OneServiceMoreAmongThousandsIsTheWorkOfOne) {
  constexpr int kServices = 5'000;
  mesh(MeshServicesMode::Exclusive);
  generator("local", "{{ .Name }}.svc.mesh.local");
  for (int i = 0; i < kServices; ++i) dataplane(fmt::format("d{}", i), fmt::format("s{}", i));
  settle();
  EXPECT_EQ(planner->ledger().pool_for("msvc/").held(), kServices);
  const std::size_t before = planner->work_done();
  dataplane("one-more", "one-more");
  const int writes = settle();
  EXPECT_EQ(writes, 2);
  EXPECT_LE(planner->work_done() - before, 6U);
  EXPECT_EQ(vip("one-more"), "127.4.19.136");
}

}  // namespace
}  // namespace mesh
