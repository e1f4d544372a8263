#include "snapshot/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "model/address_block.h"
#include "model/service.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const Kind kTimeout{.name = "MeshTimeout", .path = "meshtimeouts", .is_policy = true};
const Kind kPermission{.name = "MeshTrafficPermission", .path = "meshtrafficpermissions", .is_policy = true};
const Kind kSecretLike{.name = "Secret", .path = "secrets"};
const Kind kInsight{.name = "DataplaneInsight", .path = "dataplane-insights"};

Inbound inbound(std::uint32_t port, const std::string& service, const std::string& protocol = "") {
  Inbound out;
  out.port = port;
  out.tags = {{kServiceTag, service}};
  if (!protocol.empty()) out.tags[kProtocolTag] = protocol;
  return out;
}

Outbound outbound(const std::string& service) {
  Outbound out;
  out.port = 10001;
  out.tags = {{kServiceTag, service}};
  return out;
}

Dataplane dataplane(std::vector<Inbound> inbounds, std::vector<Outbound> outbounds = {}) {
  Dataplane out;
  out.networking.address = "10.0.0.1";
  out.networking.inbound = std::move(inbounds);
  out.networking.outbound = std::move(outbounds);
  return out;
}

ResourceChange put(const Kind& kind, const std::string& name, AnySpec spec = {}, const std::string& mesh = "m") {
  auto resource = std::make_shared<Resource>();
  resource->key = {&kind, mesh, name};
  resource->spec = std::move(spec);
  return {resource->key, std::move(resource)};
}
ResourceChange put(const std::string& name, Dataplane spec) {
  return put(kDataplaneKind, name, AnySpec::of(std::move(spec)));
}
ResourceChange put_mesh(const std::string& name = "m") { return put(kMeshKind, name, AnySpec::of(Mesh{}), ""); }
ResourceChange gone(const Kind& kind, const std::string& name) {
  return {{&kind, kind.name == "Mesh" ? "" : "m", name}, nullptr};
}

FoldInput input(std::vector<ResourceChange> resources, std::vector<LivenessChange> liveness = {}) {
  return {.upto = 1, .resources = std::move(resources), .liveness = std::move(liveness)};
}
LivenessChange up(const std::string& name) { return {{"m", name}, true, {}}; }
LivenessChange down(const std::string& name) { return {{"m", name}, false, {}}; }

// What happened, one step after the other.
class FoldTest : public testing::Test {
 protected:
  MeshAffected then(std::vector<ResourceChange> resources, std::vector<LivenessChange> liveness = {}) {
    FoldResult result = fold(*snapshot_, input(std::move(resources), std::move(liveness)));
    before_ = snapshot_;
    snapshot_ = result.snapshot;
    return result.affected.contains("m") ? result.affected.at("m") : MeshAffected{};
  }
  const MeshSnapshot& mesh() const { return *snapshot_->meshes.at("m"); }
  std::vector<std::string> endpoints_of(const std::string& service) const {
    std::vector<std::string> out;
    if (const ServiceView* view = mesh().find_service(service))
      for (const Endpoint& endpoint : view->endpoints)
        out.push_back(endpoint.dataplane + ":" + std::to_string(endpoint.port));
    return out;
  }

  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<Snapshot>();
  std::shared_ptr<const Snapshot> before_;
};

TEST_F(FoldTest, ADataplaneIsAnEndpointOnlyWhileItsProxyIsLive) {
  then({put_mesh(), put("kv-1", dataplane({inbound(8080, "kv")}))});
  EXPECT_THAT(endpoints_of("kv"), IsEmpty());

  EXPECT_THAT(then({}, {up("kv-1")}).endpoints, ElementsAre("kv"));
  EXPECT_THAT(endpoints_of("kv"), ElementsAre("kv-1:8080"));

  EXPECT_THAT(then({}, {down("kv-1")}).endpoints, ElementsAre("kv"));
  EXPECT_THAT(endpoints_of("kv"), IsEmpty());
}

TEST_F(FoldTest, LivenessMayBeKnownBeforeTheDataplane) {
  then({put_mesh()}, {up("kv-1")});
  then({put("kv-1", dataplane({inbound(8080, "kv")}))});
  EXPECT_THAT(endpoints_of("kv"), ElementsAre("kv-1:8080"));
}

TEST_F(FoldTest, InboundsThatAreNotReadyGetNoTraffic) {
  Inbound not_ready = inbound(1, "kv"), unhealthy = inbound(2, "kv"), ignored = inbound(3, "kv"),
          fine = inbound(4, "kv");
  not_ready.state = InboundState::NotReady;
  unhealthy.health = InboundHealth{.ready = false};
  ignored.state = InboundState::Ignored;
  then({put_mesh(), put("kv-1", dataplane({not_ready, unhealthy, ignored, fine, inbound(5, "kv")}))},
       {{{"m", "kv-1"}, true, {5}}});
  EXPECT_THAT(endpoints_of("kv"), ElementsAre("kv-1:4"));
}

TEST_F(FoldTest, AnAdvertisedAddressIsWhatOthersConnectTo) {
  Dataplane spec = dataplane({inbound(1, "a"), inbound(2, "b")});
  spec.networking.inbound[1].address = "10.0.0.2";
  then({put_mesh(), put("x", spec)}, {up("x")});
  EXPECT_EQ(mesh().find_service("a")->endpoints[0].address, "10.0.0.1");
  EXPECT_EQ(mesh().find_service("b")->endpoints[0].address, "10.0.0.2");
  spec.networking.advertised_address = "1.2.3.4";
  then({put("x", spec)});
  EXPECT_EQ(mesh().find_service("b")->endpoints[0].address, "1.2.3.4");
}

TEST_F(FoldTest, TheProtocolOfAServiceIsWhatAllItsInboundsSpeak) {
  const auto protocol_of = [&](std::vector<std::string> protocols) {
    std::vector<Inbound> inbounds;
    for (std::size_t i = 0; i < protocols.size(); ++i)
      inbounds.push_back(inbound(static_cast<std::uint32_t>(i + 1), "kv", protocols[i]));
    then({put_mesh(), put("kv-1", dataplane(std::move(inbounds)))});
    return mesh().find_service("kv")->protocol;
  };
  EXPECT_EQ(protocol_of({""}), "tcp");
  EXPECT_EQ(protocol_of({"http"}), "http");
  EXPECT_EQ(protocol_of({"http", "http"}), "http");
  EXPECT_EQ(protocol_of({"http", "tcp"}), "tcp");
  EXPECT_EQ(protocol_of({"http", "http2"}), "tcp");
  EXPECT_EQ(protocol_of({"grpc", "http2"}), "http2");
}

TEST_F(FoldTest, AnotherProtocolChangesTheShapeForCallersAndAnotherEndpointDoesNot) {
  then({put_mesh(), put("kv-1", dataplane({inbound(8080, "kv", "http")}))}, {up("kv-1"), up("kv-2")});
  const MeshAffected joined = then({put("kv-2", dataplane({inbound(8080, "kv", "http")}))});
  EXPECT_THAT(joined.endpoints, ElementsAre("kv"));
  EXPECT_THAT(joined.shapes, IsEmpty());
  EXPECT_THAT(joined.dataplanes, ElementsAre("kv-2"));
  EXPECT_THAT(then({put("kv-2", dataplane({inbound(8080, "kv", "tcp")}))}).shapes, ElementsAre("kv"));
  EXPECT_THAT(then({gone(kDataplaneKind, "kv-1")}, {}).endpoints, ElementsAre("kv"));
  EXPECT_THAT(then({gone(kDataplaneKind, "kv-2")}, {}).shapes, ElementsAre("kv"));
  EXPECT_EQ(mesh().find_service("kv"), nullptr);
}

TEST_F(FoldTest, KnowsWhoCallsAService) {
  then({put_mesh(), put("app-1", dataplane({}, {outbound("kv")})),
        put("app-2", dataplane({}, {outbound("kv"), outbound("db")}))});
  EXPECT_THAT(mesh().callers.at("kv"), ElementsAre("app-1", "app-2"));
  then({put("app-1", dataplane({}, {outbound("db")})), gone(kDataplaneKind, "app-2")});
  EXPECT_FALSE(mesh().callers.contains("kv"));
  EXPECT_THAT(mesh().callers.at("db"), ElementsAre("app-1"));
}

TEST_F(FoldTest, APolicyChangeCarriesWhatItWasAndWhatItIs) {
  then({put_mesh()});
  const ResourceChange first = put(kTimeout, "slow"), second = put(kTimeout, "slow");
  then({first});
  const MeshAffected changed = then({second});
  ASSERT_EQ(changed.policies.size(), 1U);
  EXPECT_EQ(changed.policies[0].before, first.now);
  EXPECT_EQ(changed.policies[0].after, second.now);
  EXPECT_EQ(then({gone(kTimeout, "slow")}).policies[0].after, nullptr);
  EXPECT_THAT(mesh().policies_of(kTimeout), IsEmpty());
  EXPECT_TRUE(then({gone(kTimeout, "slow")}).empty());
}

TEST_F(FoldTest, WhatDidNotChangeIsTheSameObject) {
  then({put_mesh(), put("kv-1", dataplane({inbound(1, "kv")})), put("db-1", dataplane({inbound(2, "db")})),
        put(kTimeout, "t")});
  then({put(kPermission, "p")}, {up("kv-1")});
  const MeshSnapshot& old = *before_->meshes.at("m");
  EXPECT_TRUE(mesh().dataplanes.shares_with(old.dataplanes));
  EXPECT_TRUE(mesh().callers.shares_with(old.callers));
  EXPECT_EQ(mesh().policies.at(&kTimeout), old.policies.at(&kTimeout));
  EXPECT_EQ(mesh().services.at("db"), old.services.at("db"));
  EXPECT_NE(mesh().services.at("kv"), old.services.at("kv"));
}

// How many nodes of its tables differ from those of the picture before.
std::size_t nodes_made(const MeshSnapshot& now, const MeshSnapshot& before) {
  std::size_t count = now.dataplanes.nodes_not_in(before.dataplanes) + now.services.nodes_not_in(before.services) +
                      now.callers.nodes_not_in(before.callers) + now.providers.nodes_not_in(before.providers) +
                      now.live.nodes_not_in(before.live);
  for (const auto& [service, names] : now.callers)
    if (const NameSet* old = before.callers.get(service)) count += names.nodes_not_in(*old);
  for (const auto& [service, names] : now.providers)
    if (const NameSet* old = before.providers.get(service)) count += names.nodes_not_in(*old);
  return count;
}

TEST_F(FoldTest, AJoiningEndpointCostsAPathOfEachTableWhateverTheSizeOfTheMesh) {
  for (const int dataplanes : {100, 10'000}) {
    snapshot_ = std::make_shared<Snapshot>();
    std::vector<ResourceChange> resources = {put_mesh()};
    std::vector<LivenessChange> liveness;
    for (int i = 0; i < dataplanes; ++i) {
      const std::string name = "dp-" + std::to_string(i);
      resources.push_back(
          put(name, dataplane({inbound(1, "s" + std::to_string(i / 10))}, {outbound("kv"), outbound("s1")})));
      liveness.push_back(up(name));
    }
    then(resources, liveness);
    then({put("kv-1", dataplane({inbound(1, "kv")}, {outbound("s1")}))}, {up("kv-1")});
    // Paths: 8 of 100, 15 of 10,000; in dataplanes, live, services, providers (new there), callers and those of s1.
    EXPECT_LE(nodes_made(mesh(), *before_->meshes.at("m")), dataplanes == 100 ? 60U : 100U);
    then({}, {down("kv-1")});
    EXPECT_LE(nodes_made(mesh(), *before_->meshes.at("m")), dataplanes == 100 ? 30U : 60U);
    then({put(kTimeout, "t")});
    EXPECT_EQ(nodes_made(mesh(), *before_->meshes.at("m")), 0U);
  }
}

TEST_F(FoldTest, KindsThatNoProxyDependsOnConcernNobody) {
  then({put_mesh()});
  EXPECT_TRUE(then({put(kInsight, "kv-1")}).empty());
  EXPECT_EQ(snapshot_->meshes.at("m"), before_->meshes.at("m"));
  EXPECT_TRUE(then({put(kSecretLike, "ca")}).secrets);
}

TEST_F(FoldTest, ReadingFromTheStartForgetsWhatIsGoneButNotWhoIsLive) {
  then({put_mesh(), put("kv-1", dataplane({inbound(1, "kv")})), put("kv-2", dataplane({inbound(1, "kv")}))},
       {up("kv-1"), up("kv-2")});
  FoldInput everything = input({put("kv-2", dataplane({inbound(1, "kv")})), put_mesh()});
  everything.from_start = true;
  const FoldResult result = fold(*snapshot_, everything);
  snapshot_ = result.snapshot;
  EXPECT_THAT(endpoints_of("kv"), ElementsAre("kv-2:1"));
  EXPECT_TRUE(result.affected.at("m").whole);
}

TEST_F(FoldTest, AMeshThatIsDeletedIsGone) {
  then({put_mesh()});
  EXPECT_TRUE(then({gone(kMeshKind, "m")}).whole);
  EXPECT_EQ(snapshot_->find("m"), nullptr);
  EXPECT_THAT(snapshot_->incomplete, IsEmpty());
}

ResourceChange put_service(const std::string& name, const std::string& selected, const std::string& vip,
                           const Kind& kind = kMeshServiceKind) {
  auto resource = std::make_shared<Resource>();
  resource->key = {&kind, "m", name};
  if (&kind == &kMeshServiceKind) {
    MeshService spec;
    if (selected.empty())
      spec.selector.dataplane_labels = LabelSelector{};
    else
      spec.selector.dataplane_tags = {{kServiceTag, selected}};
    spec.ports.push_back({.name = {}, .port = 80, .target_port = 8080, .app_protocol = "http"});
    resource->spec = AnySpec::of(spec);
    MeshServiceStatus status;
    if (!vip.empty()) status.vips.push_back({vip});
    resource->status = AnySpec::of(status);
  } else {
    MeshMultiZoneService spec;
    spec.ports.emplace_back().port = 80;
    resource->spec = AnySpec::of(spec);
    MeshMultiZoneServiceStatus status;
    status.vips.push_back({vip});
    status.mesh_services.push_back({selected, "", "z", "m"});
    resource->status = AnySpec::of(status);
  }
  return {resource->key, resource};
}
ResourceChange put_addresses(const std::string& name, std::map<std::string, AddressEntry> addresses) {
  return put(kAddressBlockKind, name, AnySpec::of(AddressBlock{std::move(addresses)}), "");
}
std::vector<std::string> keys_of(const MeshAffected& affected) {
  std::vector<std::string> out;
  for (const auto& [key, before] : affected.outbounds) out.push_back(key);
  return out;
}

TEST_F(FoldTest, AServiceOfItsOwnNameConcernsCallersWhenItLooksDifferentToThem) {
  then({put_mesh()});
  EXPECT_THAT(keys_of(then({put_service("kv", "kv", "")})), ElementsAre("msvc/kv"));
  const MeshAffected addressed = then({put_service("kv", "kv", "127.4.0.0")});
  ASSERT_THAT(keys_of(addressed), ElementsAre("msvc/kv"));
  EXPECT_EQ(addressed.outbounds.at("msvc/kv")[0].backend->vip, "");
  EXPECT_TRUE(then({put_service("kv", "kv", "127.4.0.0")}).empty());  // counts, conditions
  const MeshAffected left = then({gone(kMeshServiceKind, "kv")});
  EXPECT_EQ(left.outbounds.at("msvc/kv")[0].backend->vip, "127.4.0.0");
  EXPECT_THAT(mesh().backends, IsEmpty());
  EXPECT_THAT(mesh().users, IsEmpty());
}

TEST_F(FoldTest, AServiceForSeveralZonesFollowsThoseThatItStandsFor) {
  then({put_mesh(), put_service("all", "kv", "127.2.0.0", kMeshMultiZoneServiceKind)});
  EXPECT_THAT(mesh().backends.at("mzsvc/all")->ports[0].sources, IsEmpty());
  EXPECT_THAT(keys_of(then({put_service("kv", "kv", "127.4.0.0")})), ElementsAre("msvc/kv", "mzsvc/all"));
  EXPECT_THAT(mesh().users.at("kv"), ElementsAre("msvc/kv", "mzsvc/all"));
  EXPECT_THAT(keys_of(then({gone(kMeshServiceKind, "kv")})), ElementsAre("msvc/kv", "mzsvc/all"));
}

TEST_F(FoldTest, AServiceWithASelectorOfItsOwnHasAViewOfItsOwn) {
  then({put_mesh(), put("kv-1", dataplane({inbound(8080, "kv")})), put_service("all", "", "127.4.0.0")}, {up("kv-1")});
  EXPECT_EQ(mesh().find_view("msvc/all")->endpoints.size(), 1U);
  EXPECT_THAT(then({put("db-1", dataplane({inbound(8080, "db")}))}, {up("db-1")}).endpoints,
              ElementsAre("db", "msvc/all"));
  EXPECT_EQ(mesh().find_view("msvc/all")->endpoints.size(), 2U);
  then({}, {down("kv-1")});
  EXPECT_EQ(mesh().find_view("msvc/all")->endpoints.size(), 1U);
  then({gone(kMeshServiceKind, "all")});
  EXPECT_EQ(mesh().find_view("msvc/all"), nullptr);
}

TEST_F(FoldTest, AVirtualAddressOfAServiceConcernsTheMeshesThatHaveTheService) {
  then({put_mesh(), put_mesh("other"), put("kv-1", dataplane({inbound(1, "kv")}))});
  FoldResult result = fold(*snapshot_, input({put_addresses("127.1.0.0", {{"127.1.0.0", {.owner = "service/kv"}},
                                                                          {"127.1.0.1", {.owner = "msvc/m/kv"}}})}));
  EXPECT_FALSE(result.affected.contains("other"));
  EXPECT_THAT(keys_of(result.affected.at("m")), ElementsAre("service/kv"));
  snapshot_ = result.snapshot;
  EXPECT_EQ(mesh().vips.at("kv"), "127.1.0.0");

  const MeshAffected moved =
      then({put_addresses("127.1.0.0", {{"127.1.0.0", {.owner = "service/kv", .freed = SystemTime{}}}}),
            put_addresses("127.1.1.0", {{"127.1.1.7", {.owner = "service/kv"}}})});
  EXPECT_EQ(moved.outbounds.at("service/kv")[0].address, "127.1.0.0");
  EXPECT_EQ(mesh().vips.at("kv"), "127.1.1.7");
  EXPECT_TRUE(then({put_addresses("127.1.1.0", {{"127.1.1.7", {.owner = "service/kv"}}})}).empty());

  FoldInput everything = input({put_mesh(), put("kv-1", dataplane({inbound(1, "kv")}))});
  everything.from_start = true;
  snapshot_ = fold(*snapshot_, everything).snapshot;
  EXPECT_THAT(mesh().vips, IsEmpty());
}

TEST_F(FoldTest, AServiceThatComesOrGoesIsSomethingToCall) {
  then({put_mesh(), put_addresses("127.1.0.0", {{"127.1.0.0", {.owner = "service/kv"}}})});
  EXPECT_THAT(keys_of(then({put("kv-1", dataplane({inbound(1, "kv")}))})), ElementsAre("service/kv"));
  const MeshAffected left = then({gone(kDataplaneKind, "kv-1")});
  EXPECT_EQ(left.outbounds.at("service/kv")[0].address, "127.1.0.0");
}

TEST_F(FoldTest, KnowsWhoCallsABackendByNameAndByLabels) {
  Outbound by_name, by_labels;
  by_name.backend_ref = OutboundBackendRef{"MeshService", "kv", {}, 80};
  by_labels.backend_ref = OutboundBackendRef{"MeshService", "", {{"a", "b"}}, 80};
  then({put_mesh(), put("app-1", dataplane({}, {by_name})), put("app-2", dataplane({}, {by_labels}))});
  EXPECT_THAT(mesh().callers.at("msvc/kv"), ElementsAre("app-1"));
  EXPECT_THAT(mesh().callers.at(kAnyBackend), ElementsAre("app-2"));
}

std::string describe(const MeshSnapshot& mesh) {
  std::string out = mesh.name + (mesh.mesh ? "!" : "?");
  for (const auto& [name, resource] : mesh.dataplanes) out += " " + name;
  for (const auto& [name, view] : mesh.services) {
    out += " " + name + "/" + view->protocol + "[";
    for (const Endpoint& endpoint : view->endpoints)
      out += endpoint.dataplane + ":" + std::to_string(endpoint.port) + " ";
    out += "]";
  }
  for (const auto* index : {&mesh.callers, &mesh.providers})
    for (const auto& [service, names] : *index) {
      out += " " + service + "<";
      for (const std::string& name : names) out += name + " ";
    }
  std::map<std::string, PolicyList> by_name;
  for (const auto& [kind, list] : mesh.policies) by_name[kind->name] = list;
  for (const auto& [kind, list] : by_name) {
    out += " " + kind + ":";
    for (const SharedResource& policy : *list) out += policy->key.name + " ";
  }
  for (const auto& [name, ports] : mesh.live) out += " +" + name;
  for (const auto& [key, backend] : mesh.backends) {
    out += " " + key + "@" + backend->vip;
    for (const BackendPort& port : backend->ports)
      for (const EndpointSource& source : port.sources) out += "~" + source.view;
  }
  for (const auto& [key, view] : mesh.selected) out += " " + key + "=" + std::to_string(view->endpoints.size());
  for (const auto& [view, keys] : mesh.users) out += " " + view + "^" + std::to_string(keys.size());
  for (const auto& [service, address] : mesh.vips) out += " " + service + "@" + address;
  return out;
}

std::string describe(const Snapshot& snapshot) {
  std::string out;
  for (const auto* meshes : {&snapshot.meshes, &snapshot.incomplete})
    for (const auto& [name, mesh] : *meshes) out += describe(*mesh) + "\n";
  return out;
}

TEST(Fold, AnyOrderOfTheSameChangesGivesTheSamePicture) {
  std::vector<FoldInput> steps;
  const std::vector<std::string> protocols = {"http", "grpc", "http2", ""};
  for (int i = 0; i < 30; ++i) {
    const std::string name = "dp-" + std::to_string(i);
    std::vector<Inbound> inbounds = {
        inbound(1, "s" + std::to_string(i % 5), protocols[static_cast<std::size_t>(i % 4)]),
        inbound(2, "s" + std::to_string(i % 7))};
    steps.push_back(input({put(name, dataplane(std::move(inbounds), {outbound("s" + std::to_string(i % 3))}))}));
    if (i % 2 == 0) steps.push_back(input({}, {up(name)}));
    steps.push_back(input({put(i % 2 == 0 ? kTimeout : kPermission, "p" + std::to_string(i))}));
    if (i % 5 == 0) {
      const std::string service = "s" + std::to_string(i % 7), address = "127.1.0." + std::to_string(i);
      steps.push_back(input({put_service("m" + std::to_string(i), i % 3 == 0 ? "" : service, address)}));
      steps.push_back(
          input({put_service("z" + std::to_string(i), "m" + std::to_string(i), address, kMeshMultiZoneServiceKind)}));
      steps.push_back(input({put_addresses("127.1." + std::to_string(i) + ".0",
                                           {{address, {.owner = "service/" + service + std::to_string(i)}}})}));
    }
  }
  steps.push_back(input({put_mesh()}));
  steps.push_back(input({}, {up("nobody")}));

  std::mt19937 random(7);
  std::string expected;
  for (int round = 0; round < 20; ++round) {
    auto snapshot = std::make_shared<const Snapshot>();
    FoldInput together;  // some of them at once
    for (const FoldInput& step : steps) {
      together.resources.insert(together.resources.end(), step.resources.begin(), step.resources.end());
      together.liveness.insert(together.liveness.end(), step.liveness.begin(), step.liveness.end());
      if (round == 0 || random() % 3 != 0) snapshot = fold(*snapshot, std::exchange(together, {})).snapshot;
    }
    snapshot = fold(*snapshot, together).snapshot;
    if (round == 0) expected = describe(*snapshot);
    EXPECT_EQ(describe(*snapshot), expected);
    std::shuffle(steps.begin(), steps.end(), random);
  }
}

}  // namespace
}  // namespace mesh
