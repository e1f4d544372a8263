#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/encoding.h"
#include "config/config_json.h"
#include "config/endpoints.h"
#include "config/outbound_cache.h"
#include "config/proxy_config.h"
#include "config/shared_resources.h"
#include "envoy/pack.h"
#include "model/address_block.h"
#include "policies/all.h"
#include "policies/meshtimeout/mesh_timeout.h"
#include "snapshot/fold.h"

namespace mesh {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Views service(const std::string& name, std::vector<Endpoint> endpoints) {
  return {std::make_shared<ServiceView>(ServiceView{name, "http", std::move(endpoints)})};
}

Endpoint endpoint(const std::string& address, Tags tags = {}) {
  return {.dataplane = "dp-" + address, .address = address, .port = 80, .tags = std::move(tags), .labels = nullptr};
}

std::string shown(const NamedResourcePtr& resource) { return *envoy::resource_to_json(*resource->body); }
// Names and versions.
std::vector<NamedResource> content(const NamedResources& resources) {
  std::vector<NamedResource> out;
  for (const NamedResourcePtr& resource : *resources) out.push_back(*resource);
  return out;
}

build::SharedTags shared(Tags tags) { return std::make_shared<const Tags>(std::move(tags)); }
const build::Destination kKv{"kv", "kv", shared({{kServiceTag, "kv"}})};

TEST(Endpoints, AreMadeOnceForAllProxiesThatSeeThemTheSameWay) {
  EndpointCache cache;
  const auto kv = service("kv", {endpoint("10.0.0.1")});

  const NamedResourcePtr first = cache.get("default", kKv, kv, {"zone-1", false});
  const NamedResourcePtr second = cache.get("default", kKv, kv, {"zone-1", false});

  EXPECT_EQ(first, second);
}

TEST(Endpoints, AreMadeAnewWhenTheServiceChanged) {
  EndpointCache cache;
  const NamedResourcePtr before = cache.get("default", kKv, service("kv", {endpoint("10.0.0.1")}), {});
  const NamedResourcePtr after = cache.get("default", kKv, service("kv", {endpoint("10.0.0.2")}), {});

  EXPECT_NE(before->version, after->version);
  EXPECT_EQ(cache.size(), 1U);
}

TEST(Endpoints, StayTheSameBytesWhenTheServiceChangedToTheSame) {
  EndpointCache cache;
  const NamedResourcePtr before = cache.get("default", kKv, service("kv", {endpoint("10.0.0.1")}), {});
  const NamedResourcePtr after = cache.get("default", kKv, service("kv", {endpoint("10.0.0.1")}), {});

  EXPECT_EQ(before, after);
}

TEST(Endpoints, OfEqualNamesInTwoMeshesAreNotMixedUp) {
  EndpointCache cache;
  const auto kv = service("kv", {endpoint("10.0.0.1")});
  cache.get("a", kKv, kv, {});
  cache.get("b", kKv, service("kv", {endpoint("10.0.0.2")}), {});

  EXPECT_THAT(shown(cache.get("a", kKv, kv, {})), HasSubstr("10.0.0.1"));
}

TEST(Endpoints, OfServicesThatAreGoneAreNotKept) {
  EndpointCache cache;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "service-" + std::to_string(i);
    cache.get("default", {name, name, {}}, service(name, {}), {});
  }

  EXPECT_LT(cache.size(), 1100U);
}

TEST(Endpoints, MayBeAskedForFromSeveralThreads) {
  EndpointCache cache;
  const auto kv = service("kv", {endpoint("10.0.0.1")});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) cache.get("default", kKv, i % 2 == 0 ? kv : service("kv", {}), {});
      });
    }
  }
  EXPECT_EQ(cache.size(), 1U);
}

TEST(Endpoints, InOtherZonesComeSecond) {
  const auto kv =
      service("kv", {endpoint("10.0.0.1", {{kZoneTag, "near"}}), endpoint("10.0.0.2", {{kZoneTag, "far"}})});

  EXPECT_THAT(shown(make_endpoints(kKv, kv, {"near", true})), HasSubstr(R"("priority":1)"));
  EXPECT_THAT(shown(make_endpoints(kKv, kv, {"near", false})), Not(HasSubstr("priority")));
}

TEST(Endpoints, InOtherZonesComeFirstWhenTheOwnZoneHasNobody) {
  const auto kv = service("kv", {endpoint("10.0.0.2", {{kZoneTag, "far"}})});

  EXPECT_THAT(shown(make_endpoints(kKv, kv, {"near", true})), Not(HasSubstr("priority")));
}

TEST(Endpoints, AreThoseWithTheTagsOfTheOutbound) {
  const auto kv = service("kv", {endpoint("10.0.0.1", {{"version", "v1"}}), endpoint("10.0.0.2", {{"version", "v2"}})});
  const build::Destination v2{"kv-v2", "kv", shared({{kServiceTag, "kv"}, {"version", "v2"}})};

  const std::string json = shown(make_endpoints(v2, kv, {}));

  EXPECT_THAT(json, HasSubstr("10.0.0.2"));
  EXPECT_THAT(json, Not(HasSubstr("10.0.0.1")));
}

NamedResourceList resources(const std::string& version, const std::string& body, const std::string& name = "a") {
  return {make_named(name, version, make_bytes(body))};
}

TEST(Resources, AreSharedWhenTheyAreEqual) {
  SharedResources shared;
  const auto first = shared.share(resources("v1", "content"));
  const auto second = shared.share(resources("v1", "content"));

  EXPECT_EQ(first.at(0), second.at(0));
}

TEST(Resources, AreNotSharedWhenOnlyTheirVersionsAre) {
  SharedResources shared;
  const auto first = shared.share(resources("v1", "content"));

  EXPECT_EQ(*shared.share(resources("v1", "other")).at(0)->body, "other");
  EXPECT_EQ(shared.share(resources("v1", "content", "b")).at(0)->name, "b");
}

TEST(Resources, ThatNobodyHoldsAnyMoreAreForgotten) {
  SharedResources shared;
  for (int i = 0; i < 10'000; ++i) shared.share(resources(std::to_string(i), "content"));

  EXPECT_LT(shared.size(), 5000U);
}

// A mesh with one client and one service.
struct Fixture {
  MeshSnapshot snapshot;
  ConfigBuilder builder{"zone-1", {}};

  Fixture() {
    snapshot.name = "default";
    auto mesh = std::make_shared<Resource>();
    mesh->key = {&kMeshKind, "", "default"};
    mesh->spec = AnySpec::of(Mesh());
    snapshot.mesh = mesh;
    Dataplane client;
    client.networking.address = "10.0.0.9";
    client.networking.inbound.resize(1);
    client.networking.inbound[0].port = 80;
    client.networking.inbound[0].tags = {{kServiceTag, "web"}};
    for (const std::uint32_t port : {10001U, 10002U}) {
      client.networking.outbound.emplace_back().port = port;
      client.networking.outbound.back().tags = {{kServiceTag, "kv"}};
    }
    add("web-1", client);
    snapshot.services.insert_or_assign("kv", service("kv", {endpoint("10.0.0.1")})[0]);
  }
  void add(const std::string& name, Dataplane spec) {
    auto resource = std::make_shared<Resource>();
    resource->key = {&kDataplaneKind, "default", name};
    resource->spec = AnySpec::of(std::move(spec));
    snapshot.dataplanes.insert_or_assign(name, resource);
  }
};

std::vector<std::string> names_of(const NamedResources& resources) {
  std::vector<std::string> names;
  for (const auto& resource : *resources) names.push_back(resource->name);
  return names;
}

TEST(Build, GivesTheSameBytesForTheSamePicture) {
  Fixture f;

  EXPECT_EQ(content(f.builder.build(f.snapshot, "web-1", {})->listeners),
            content(f.builder.build(f.snapshot, "web-1", {})->listeners));
  EXPECT_EQ(content(f.builder.build(f.snapshot, "web-1", {})->clusters),
            content(f.builder.build(f.snapshot, "web-1", {})->clusters));
}

TEST(Build, GivesTwoOutboundsToOneServiceOneCluster) {
  Fixture f;

  const auto config = f.builder.build(f.snapshot, "web-1", {});

  EXPECT_THAT(names_of(config->clusters), ElementsAre("kv", "localhost:80"));
  EXPECT_THAT(names_of(config->listeners),
              ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001", "outbound:127.0.0.1:10002"));
  EXPECT_THAT(names_of(config->endpoints), ElementsAre("kv"));
}

TEST(Build, OfTwoProxiesSharesWhatIsTheSameForBoth) {
  Fixture f;
  Dataplane other = f.snapshot.dataplanes.at("web-1")->spec_as<Dataplane>();
  other.networking.address = "10.0.0.10";
  f.add("web-2", other);

  const auto first = f.builder.build(f.snapshot, "web-1", {}), second = f.builder.build(f.snapshot, "web-2", {});

  EXPECT_EQ(first->clusters->at(0), second->clusters->at(0));                // kv
  EXPECT_EQ(first->listeners->at(1), second->listeners->at(1));              // outbound
  EXPECT_NE(first->listeners->at(0)->name, second->listeners->at(0)->name);  // inbound
}

// Two clients that call kv in the same way.
struct TwoCallers : Fixture {
  ConfigBuilder builder{"zone-1", all_policies()};

  TwoCallers() {
    Dataplane other = snapshot.dataplanes.at("web-1")->spec_as<Dataplane>();
    other.networking.address = "10.0.0.10";
    add("web-2", other);
  }
  void set_timeout(std::optional<TargetRef> of, Duration timeout, bool of_what_comes_in = false) {
    MeshTimeout spec;
    spec.target_ref = std::move(of);
    (of_what_comes_in ? spec.from : spec.to).emplace().push_back({{TargetKind::Mesh}, {.connection_timeout = timeout}});
    auto resource = std::make_shared<Resource>();
    resource->key = {&kMeshTimeoutKind, "default", "slow"};
    resource->spec = AnySpec::of(std::move(spec));
    snapshot.policies[&kMeshTimeoutKind] =
        std::make_shared<const std::vector<SharedResource>>(std::vector<SharedResource>{resource});
  }
  void expect_as_if_made_anew(const ProxyConfig& config_of_web_1) {
    const auto anew = builder.build(snapshot, "web-1", {});
    EXPECT_EQ(*config_of_web_1.listeners, *anew->listeners);
    EXPECT_EQ(*config_of_web_1.clusters, *anew->clusters);
  }
  std::uint64_t cost_of(const std::string& dataplane) {
    const std::uint64_t before = envoy::resources_made();
    builder.build(snapshot, dataplane, {});
    return envoy::resources_made() - before;
  }
};

TEST(Outbounds, AreMadeOnceForAllWhoCallUnderTheSamePolicies) {
  TwoCallers f;
  const auto held = f.builder.build(f.snapshot, "web-1", {});
  EXPECT_EQ(f.cost_of("web-2"), 2U);  // what is its own: listener and cluster of its inbound

  f.set_timeout({}, std::chrono::seconds(1));

  const auto changed = f.builder.build(f.snapshot, "web-1", {});
  EXPECT_NE(changed->clusters->at(0)->version, held->clusters->at(0)->version);
  EXPECT_EQ(f.cost_of("web-2"), 2U);
}

TEST(OwnPart, IsNotMadeAnewForAPolicyAboutWhatTheProxyCalls) {
  TwoCallers f;
  const auto before = f.builder.build(f.snapshot, "web-1", {});
  f.set_timeout({}, std::chrono::seconds(1));

  const auto after = f.builder.build(f.snapshot, "web-1", {}, nullptr, before.get());

  EXPECT_EQ(after->own, before->own);  // the same object
  f.expect_as_if_made_anew(*after);
  EXPECT_NE(content(after->clusters), content(before->clusters));
}

TEST(OwnPart, IsMadeAnewForAPolicyAboutWhatComesIn) {
  TwoCallers f;
  const auto before = f.builder.build(f.snapshot, "web-1", {});
  f.set_timeout({}, std::chrono::seconds(1), true);

  const auto after = f.builder.build(f.snapshot, "web-1", {}, nullptr, before.get());

  EXPECT_NE(after->own, before->own);
  f.expect_as_if_made_anew(*after);
  EXPECT_NE(content(after->clusters), content(before->clusters));
}

TEST(OwnPart, IsMadeAnewForAnotherDataplaneOrMesh) {
  TwoCallers f;
  const auto before = f.builder.build(f.snapshot, "web-1", {});
  auto moved = std::make_shared<Resource>(*f.snapshot.dataplanes.at("web-1"));
  Dataplane spec = moved->spec_as<Dataplane>();
  spec.networking.address = "10.9.9.9";
  moved->spec = AnySpec::of(std::move(spec));
  f.snapshot.dataplanes.insert_or_assign("web-1", SharedResource(moved));

  const auto after = f.builder.build(f.snapshot, "web-1", {}, nullptr, before.get());
  EXPECT_EQ(*after->listeners, *f.builder.build(f.snapshot, "web-1", {})->listeners);
  EXPECT_NE(content(after->listeners), content(before->listeners));

  f.snapshot.mesh = std::make_shared<const Resource>(*f.snapshot.mesh);
  EXPECT_NE(f.builder.build(f.snapshot, "web-1", {}, nullptr, after.get())->own, after->own);
}

TEST(Outbounds, OfWhoIsSelectedByAPolicyAreItsOwn) {
  TwoCallers f;
  f.set_timeout(TargetRef{.kind = TargetKind::Dataplane, .name = "web-2"}, std::chrono::seconds(1));

  const auto first = f.builder.build(f.snapshot, "web-1", {}), second = f.builder.build(f.snapshot, "web-2", {});

  EXPECT_THAT(shown(first->clusters->at(0)), HasSubstr(R"("connectTimeout":"5s")"));
  EXPECT_THAT(shown(second->clusters->at(0)), HasSubstr(R"("connectTimeout":"1s")"));
  EXPECT_EQ(*f.builder.build(f.snapshot, "web-1", {})->clusters, *first->clusters);
}

TEST(Outbounds, AreMadeAnewWhenTheServiceSpeaksAnotherProtocol) {
  TwoCallers f;
  const auto before = f.builder.build(f.snapshot, "web-1", {});
  auto kv = std::make_shared<ServiceView>(**f.snapshot.services.get("kv"));
  kv->protocol = "tcp";
  f.snapshot.services.insert_or_assign("kv", std::shared_ptr<const ServiceView>(kv));

  EXPECT_NE(f.builder.build(f.snapshot, "web-1", {})->listeners->at(1)->version, before->listeners->at(1)->version);
}

TEST(Outbounds, OfPoliciesThatAreGoneAreForgotten) {
  OutboundCache cache;
  const auto resource = [] { return std::make_shared<const Resource>(); };
  const SharedResource mesh = resource();
  for (int i = 0; i < 100; ++i) cache.of({mesh, {resource()}});

  EXPECT_EQ(cache.size(), 1U);  // gone, and noticed when the next comes
}

TEST(Outbounds, ThatNobodyHasAnyMoreAreForgotten) {
  SharedOutbounds outbounds;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "service-" + std::to_string(i);
    outbounds.keep(name, nullptr, make_named(name, "v1", make_bytes("content")));
    EXPECT_EQ(outbounds.find(name, nullptr), nullptr);
  }

  EXPECT_LT(outbounds.size(), 1100U);
}

TEST(Build, OfEndpointsAloneLeavesEverythingElseAsItIs) {
  Fixture f;
  const auto before = f.builder.build(f.snapshot, "web-1", {});
  f.snapshot.services.insert_or_assign("kv", service("kv", {endpoint("10.0.0.1"), endpoint("10.0.0.2")})[0]);

  const auto after = f.builder.rebuild(*before, f.snapshot, "web-1", {}, {.outbounds = {}, .endpoints = {"kv"}});

  EXPECT_EQ(after->listeners, before->listeners);  // the same objects
  EXPECT_EQ(after->clusters, before->clusters);
  EXPECT_EQ(*after->endpoints, *f.builder.build(f.snapshot, "web-1", {})->endpoints);
}

// A mesh that changes step by step, and a proxy that binds its outbounds.
class Bound : public ::testing::Test {
 protected:
  Bound() {
    traits.features = {"feature-bind-outbounds"};
    then({put(kMeshKind, "", "default", AnySpec::of(Mesh())), offers("web-1", "web", "10.0.0.9")});
    config = builder.build(mesh(), "web-1", traits);
  }
  static ResourceChange put(const Kind& kind, const std::string& in, const std::string& name, AnySpec spec,
                            AnySpec status = {}) {
    auto resource = std::make_shared<Resource>();
    resource->key = {&kind, in, name};
    resource->spec = std::move(spec);
    resource->status = std::move(status);
    return {resource->key, resource};
  }
  static ResourceChange offers(const std::string& name, const std::string& service, const std::string& address) {
    Dataplane spec;
    spec.networking.address = address;
    spec.networking.inbound.emplace_back().port = 80;
    spec.networking.inbound[0].tags = {{kServiceTag, service}};
    if (name == "web-1") {
      spec.networking.outbound.emplace_back().port = 10001;
      spec.networking.outbound[0].tags = {{kServiceTag, "db"}};
    }
    return put(kDataplaneKind, "default", name, AnySpec::of(spec));
  }
  static ResourceChange addresses(std::map<std::string, AddressEntry> entries) {
    return put(kAddressBlockKind, "", "127.1.0.0", AnySpec::of(AddressBlock{std::move(entries)}));
  }
  static ResourceChange service(const std::string& name, const std::string& vip) {
    MeshService spec;
    spec.selector.dataplane_tags = {{kServiceTag, name}};
    spec.ports.emplace_back().port = 80;
    MeshServiceStatus status;
    status.vips.push_back({vip});
    return put(kMeshServiceKind, "default", name, AnySpec::of(spec), AnySpec::of(status));
  }
  static ResourceChange gone(const Kind& kind, const std::string& name) { return {{&kind, "default", name}, nullptr}; }

  // Returns what had to be built.
  Touched then(std::vector<ResourceChange> changes, std::vector<LivenessChange> live = {}) {
    FoldResult result = fold(*snapshot, {.upto = 1, .resources = std::move(changes), .liveness = std::move(live)});
    snapshot = result.snapshot;
    const MeshAffected affected = result.affected["default"];
    return {affected.outbounds, affected.endpoints, affected.names};
  }
  // The configuration that was, with what was touched, is the one that is made anew.
  void expect_the_same_as_anew(const Touched& touched) {
    before = config;
    config = builder.rebuild(*config, mesh(), "web-1", traits, touched);
    const auto anew =
        ConfigBuilder("zone-1", {}, {.service_vip_port = 8080}).build(mesh(), "web-1", traits);  // knows of nothing yet
    EXPECT_EQ(content(config->listeners), content(anew->listeners));
    EXPECT_EQ(content(config->clusters), content(anew->clusters));
    EXPECT_EQ(content(config->endpoints), content(anew->endpoints));
    EXPECT_EQ(config->secrets, anew->secrets);
  }
  const MeshSnapshot& mesh() const { return *snapshot->find("default"); }

  const ConfigBuilder builder{"zone-1", {}, {.service_vip_port = 8080}};
  ProxyTraits traits;
  std::shared_ptr<const Snapshot> snapshot = std::make_shared<Snapshot>();
  std::shared_ptr<const ProxyConfig> config, before;
};

TEST_F(Bound, GetsOneListenerForAServiceThatComesAndLosesItWithTheService) {
  expect_the_same_as_anew(then({addresses({{"127.1.0.0", {.owner = "service/kv"}}})}));
  EXPECT_THAT(names_of(config->listeners), ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001"));
  expect_the_same_as_anew(then({offers("kv-1", "kv", "10.0.0.1")}));
  EXPECT_THAT(names_of(config->listeners),
              ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001", "outbound:127.1.0.0:8080"));
  EXPECT_EQ(config->listeners->at(0)->body, before->listeners->at(0)->body);
  expect_the_same_as_anew(then({addresses({{"127.1.0.7", {.owner = "service/kv"}}})}));
  EXPECT_THAT(names_of(config->listeners),
              ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001", "outbound:127.1.0.7:8080"));
  expect_the_same_as_anew(then({gone(kDataplaneKind, "kv-1")}));
  EXPECT_THAT(names_of(config->clusters), ElementsAre("db", "localhost:80"));
}

TEST_F(Bound, KeepsTheClusterThatIsEnumeratedToo) {
  expect_the_same_as_anew(
      then({addresses({{"127.1.0.0", {.owner = "service/db"}}}), offers("db-1", "db", "10.0.0.1")}));
  EXPECT_EQ(config->listeners->size(), 3U);
  expect_the_same_as_anew(then({gone(kDataplaneKind, "db-1")}));
  EXPECT_THAT(names_of(config->clusters), ElementsAre("db", "localhost:80"));
}

TEST_F(Bound, FollowsAMeshServiceAndItsEndpoints) {
  expect_the_same_as_anew(then({service("kv", "127.4.0.0"), offers("kv-1", "kv", "10.0.0.1")}));
  const std::string before_up = shown(config->endpoints->at(1));
  expect_the_same_as_anew(then({}, {{{"default", "kv-1"}, true, {}}}));
  EXPECT_THAT(before_up, Not(HasSubstr("10.0.0.1")));
  EXPECT_THAT(shown(config->endpoints->at(1)), HasSubstr("10.0.0.1"));
  EXPECT_EQ(config->listeners, before->listeners);
  expect_the_same_as_anew(then({service("kv", "127.4.0.9")}));
  expect_the_same_as_anew(then({gone(kMeshServiceKind, "kv")}));
  EXPECT_THAT(names_of(config->listeners), ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001"));
}

TEST_F(Bound, TellsTheNamesToASidecarThatServesThem) {
  traits.features.push_back("feature-embedded-dns");
  traits.work_dir = "/run/x";
  config = builder.build(mesh(), "web-1", traits);
  const auto names = [&] { return shown(config->listeners->at(0)); };
  EXPECT_EQ(config->listeners->at(0)->name, "_kuma:dynamicconfig");
  expect_the_same_as_anew(then({service("kv", "127.4.0.0")}));
  EXPECT_THAT(names(), Not(HasSubstr("127.4.0.0")));

  ResourceChange named = service("kv", "127.4.0.0");
  auto resource = std::make_shared<Resource>(*named.now);
  MeshServiceStatus status = *named.now->status.as<MeshServiceStatus>();
  status.addresses.push_back({"kv.svc.mesh.local", "HostnameGenerator", {"local"}});
  resource->status = AnySpec::of(status);
  expect_the_same_as_anew(then({{named.key, resource}}));
  EXPECT_THAT(names(), HasSubstr("kv.svc.mesh.local"));
  EXPECT_EQ(config->listeners->at(1)->body, before->listeners->at(1)->body);

  traits.work_dir = std::string(100, 'x');  // no socket can be there
  EXPECT_NE(builder.build(mesh(), "web-1", traits)->listeners->at(0)->name, "_kuma:dynamicconfig");
}

TEST_F(Bound, AreCalledByThoseAloneWhoMay) {
  const ConfigBuilder trimming{
      "zone-1",
      {},
      {.service_vip_port = 8080,
       .may_call = [&](const MeshSnapshot&, const std::vector<Tags>& callers, const Tags& called) {
         EXPECT_THAT(callers, ElementsAre(Tags{{kServiceTag, "web"}}));
         return called.at(kServiceTag) == "kv";
       }}};
  then({service("kv", "127.4.0.0"), service("mail", "127.4.0.1"), offers("kv-1", "kv", "10.0.0.1"),
        offers("mail-1", "mail", "10.0.0.2"),
        addresses({{"127.1.0.0", {.owner = "service/kv"}}, {"127.1.0.1", {.owner = "service/mail"}}})});
  const auto trimmed = trimming.build(mesh(), "web-1", traits);
  EXPECT_THAT(names_of(trimmed->listeners), ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001",
                                                        "outbound:127.1.0.0:8080", "outbound:127.4.0.0:80"));
  const Touched touched = then({service("mail", "127.4.0.9")});
  EXPECT_EQ(*trimming.rebuild(*trimmed, mesh(), "web-1", traits, touched)->listeners, *trimmed->listeners);
}

TEST_F(Bound, WarnsOfAddressesWhereNoSidecarCanListen) {
  then({service("kv", "241.0.0.0"), service("db", "241.0.0.1"), offers("kv-1", "kv", "10.0.0.1")});
  std::vector<std::string> warnings;
  builder.build(mesh(), "web-1", traits, &warnings);
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("not all within 127.0.0.0/8")));
  warnings.clear();
  builder.build(mesh(), "web-1", {}, &warnings);  // it does not bind them
  EXPECT_THAT(warnings, ::testing::IsEmpty());
}

TEST_F(Bound, ShowsNoPrivateKeysOfWhatIsOutside) {
  MeshExternalService spec;
  spec.match.port = 9000;
  spec.endpoints.push_back({.address = "10.9.9.9", .port = 443, .priority = {}});
  spec.tls =
      ExternalTls{.enabled = true, .version = {}, .allow_renegotiation = false, .verification = TlsVerification{}};
  spec.tls->verification->mode = VerificationMode::SkipCA;
  spec.tls->verification->client_cert = DataSource{.secret = {}, .inline_ = {}, .inline_string = "our certificate"};
  spec.tls->verification->client_key = DataSource{.secret = {}, .inline_ = {}, .inline_string = "our key"};
  MeshExternalServiceStatus status;
  status.vip.ip = "127.3.0.0";
  expect_the_same_as_anew(
      then({put(kMeshExternalServiceKind, "default", "bank", AnySpec::of(spec), AnySpec::of(status))}));
  const std::string text = *config_json(*config);
  EXPECT_THAT(text, HasSubstr(base64_encode("our certificate")));
  EXPECT_THAT(text, Not(HasSubstr(base64_encode("our key"))));
}

TEST_F(Bound, TakesSeveralStepsAtOnce) {
  Touched all = then({service("kv", "127.4.0.0"), offers("kv-1", "kv", "10.0.0.1")});
  expect_the_same_as_anew(all);
  all = then({service("kv", "127.4.0.1")});
  all.merge(then({service("kv", "127.4.0.2"), service("other", "127.4.0.1")}));
  all.merge(then({gone(kMeshServiceKind, "kv")}, {{{"default", "kv-1"}, true, {}}}));
  expect_the_same_as_anew(all);
}

TEST_F(Bound, LeavesAPortToTheApplicationThatHasItByItsServicePort) {
  ResourceChange web = offers("web-1", "web", "10.0.0.9");
  Dataplane spec = web.now->spec_as<Dataplane>();
  spec.networking.inbound[0].service_port = 8080;
  then({put(kDataplaneKind, "default", "web-1", AnySpec::of(spec)), offers("kv-1", "kv", "10.0.0.1"),
        service("kv", "127.4.0.0"), addresses({{"127.1.0.0", {.owner = "service/kv"}}})});
  std::vector<std::string> warnings;
  config = builder.build(mesh(), "web-1", traits, &warnings);
  EXPECT_THAT(names_of(config->listeners),
              ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001", "outbound:127.4.0.0:80"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("the application listens on port 8080 itself")));

  spec.networking.inbound[0].service_address = "127.0.0.1";
  then({put(kDataplaneKind, "default", "web-1", AnySpec::of(spec))});
  EXPECT_EQ(builder.build(mesh(), "web-1", traits)->listeners->size(), 4U);
}

TEST(Build, LeavesOutWhatCannotBeBuiltAndSaysSo) {
  Fixture f;
  Dataplane odd;
  odd.networking.address = "host.example";
  odd.networking.inbound.emplace_back().port = 80;
  odd.networking.outbound.emplace_back().port = 10001;
  f.add("odd-1", odd);

  std::vector<std::string> warnings;
  const auto config = f.builder.build(f.snapshot, "odd-1", {}, &warnings);

  EXPECT_TRUE(config->listeners->empty());
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("networking.inbound[0]: \"host.example\" is not an IP address"),
                                    HasSubstr("networking.outbound[0]: has no kuma.io/service")));
}

TEST(Build, GivesOneAddressToOneListener) {
  Fixture f;
  Dataplane web = f.snapshot.dataplanes.at("web-1")->spec_as<Dataplane>();
  web.networking.outbound[1].port = 10001;
  web.networking.inbound.push_back(web.networking.inbound[0]);
  f.add("web-1", web);

  std::vector<std::string> warnings;
  const auto config = f.builder.build(f.snapshot, "web-1", {}, &warnings);

  EXPECT_THAT(names_of(config->listeners), ElementsAre("inbound:10.0.0.9:80", "outbound:127.0.0.1:10001"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("networking.inbound[1]"), HasSubstr("networking.outbound[1]")));
}

TEST(Build, NamesNoSecretsWithoutMutualTls) {
  Fixture f;

  EXPECT_TRUE(f.builder.build(f.snapshot, "web-1", {})->secrets.empty());
}

TEST(Build, ShowsNoIpv6AddressesToMachinesWithoutIt) {
  Fixture f;
  Dataplane web = f.snapshot.dataplanes.at("web-1")->spec_as<Dataplane>();
  web.networking.inbound[0].tags[kProtocolTag] = "http";
  f.add("web-1", web);
  ProxyTraits traits;
  traits.ipv6 = false;

  EXPECT_THAT(*config_json(*f.builder.build(f.snapshot, "web-1", traits)), Not(HasSubstr("::1")));
  EXPECT_THAT(*config_json(*f.builder.build(f.snapshot, "web-1", {})), HasSubstr("::1"));
}

}  // namespace
}  // namespace mesh
