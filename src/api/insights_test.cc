#include "api/mesh_facts.h"
#include "api/test_api.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

DataplaneInsight connected(const std::string& backend = {}) {
  ProxyVersion version;
  version.kuma_dp.emplace().version = "1.2";
  version.envoy.emplace().version = "1.40.0";
  DataplaneInsight insight;
  Subscription& subscription = insight.subscriptions.emplace_back();
  subscription.id = "s";
  subscription.connect_time = SystemTime(std::chrono::seconds(1'000));
  subscription.version = version;
  if (!backend.empty()) {
    insight.mtls.emplace().issued_backend = backend;
    insight.mtls->supported_backends = {backend};
  }
  return insight;
}

class Insights : public ApiTest {
 protected:
  Insights() {
    put_mesh("default");
    put_dataplane("default", "web-1", "web");
    put_dataplane("default", "web-2", "web");
    put_dataplane("default", "api-1", "api");
    put_insight("default", "web-1", connected("ca-1"));
    put(kSpeedKind, "default", "slow", AnySpec::of(Speed{}));
  }
};

TEST_F(Insights, CountTheProxiesOfAMesh) {
  const auto insight = get_json("/mesh-insights/default");
  EXPECT_EQ(text_at(insight, "/dataplanes"), R"({"total":3,"online":1,"offline":2})");
  EXPECT_EQ(text_at(insight, "/dataplanesByType/standard/total"), "3");
  EXPECT_EQ(text_at(insight, "/dpVersions/envoy/1.40.0"), R"({"total":1,"online":1})");
  EXPECT_EQ(text_at(insight, "/dpVersions/kumaDp/unknown"), R"({"total":2,"offline":2})");
  EXPECT_EQ(text_at(insight, "/mTLS/issuedBackends/ca-1/total"), "1");
  EXPECT_EQ(text_at(insight, "/policies/MeshSpeed/total"), "1");
  EXPECT_EQ(text_at(insight, "/resources/Dataplane/total"), "3");
  EXPECT_EQ(text_at(insight, "/services/total"), "2");
  EXPECT_THAT(names_in(get_json("/mesh-insights")), ElementsAre("default"));
  EXPECT_EQ(send("GET", "/mesh-insights/nope").status, 404);
}

TEST_F(Insights, TellHowServicesAre) {
  const auto list = get_json("/meshes/default/service-insights");
  EXPECT_THAT(names_in(list), ElementsAre("api", "web"));
  EXPECT_EQ(text_at(list, "/items/0/status"), "offline");
  EXPECT_EQ(text_at(list, "/items/1/status"), "partially_degraded");
  EXPECT_EQ(text_at(list, "/items/1/dataplanes"), R"({"total":2,"online":1,"offline":1})");
  EXPECT_EQ(text_at(list, "/items/1/issuedBackends/ca-1"), "1");
  EXPECT_EQ(text_at(list, "/items/1/addressPort"), "web.mesh:80");
  EXPECT_EQ(text_at(list, "/items/1/zones"), R"(["east"])");
  EXPECT_THAT(names_in(get_json("/service-insights?name=we")), ElementsAre("web"));
  EXPECT_THAT(names_in(get_json("/meshes/default/service-insights?size=1&offset=1")), ElementsAre("web"));
  EXPECT_THAT(names_in(get_json("/meshes/default/service-insights?type=gateway_delegated")), IsEmpty());
  EXPECT_EQ(send("GET", "/meshes/default/service-insights?type=boat").status, 400);
  EXPECT_EQ(text_at(get_json("/meshes/default/service-insights/web"), "/status"), "partially_degraded");
  EXPECT_EQ(send("GET", "/meshes/nope/service-insights").status, 404);
}

TEST_F(Insights, LeaveServicesByTagToOlderMeshes) {
  Mesh mesh;
  mesh.mesh_services = MeshServices{MeshServicesMode::Exclusive};
  put_mesh("new", mesh);
  put_dataplane("new", "web-1", "web");
  EXPECT_THAT(names_in(get_json("/meshes/new/service-insights")), IsEmpty());
}

TEST_F(Insights, AddUpOverAllMeshes) {
  put_mesh("prod");
  put_dataplane("prod", "web-1", "web");
  put_insight("prod", "web-1", connected());
  const auto insight = get_json("/global-insight");
  EXPECT_EQ(text_at(insight, "/meshes/total"), "2");
  EXPECT_EQ(text_at(insight, "/dataplanes/standard/online"), "2");
  EXPECT_EQ(text_at(insight, "/dataplanes/standard/total"), "4");
  EXPECT_EQ(text_at(insight, "/services/internal/online"), "1");
  EXPECT_EQ(text_at(insight, "/services/internal/total"), "3");
  EXPECT_EQ(text_at(get_json("/global-insights"), "/resources/Mesh/total"), "2");
}

TEST(ProxyState, IsOfflineWithoutConnectionOrReadyInbound) {
  Dataplane dataplane;
  dataplane.networking.inbound.resize(2);
  DataplaneInsight insight = connected();
  EXPECT_EQ(api::state_of(dataplane, nullptr), api::ProxyState::Offline);
  EXPECT_EQ(api::state_of(dataplane, &insight), api::ProxyState::Online);
  dataplane.networking.inbound[0].state = InboundState::NotReady;
  EXPECT_EQ(api::state_of(dataplane, &insight), api::ProxyState::PartiallyDegraded);
  dataplane.networking.inbound[1].health = InboundHealth{.ready = false};
  EXPECT_EQ(api::state_of(dataplane, &insight), api::ProxyState::Offline);
}

class About : public ApiTest {};

TEST_F(About, TheIndexNamesTheProductAndItsPeer) {
  const auto index = get_json("/", As::Anonymous);
  EXPECT_EQ(text_at(index, "/product"), "Taskmesh");
  EXPECT_EQ(text_at(index, "/basedOnKuma"), "2.14.3");
  EXPECT_EQ(text_at(index, "/clusterId"), store.id());
  EXPECT_THAT(text_at(index, "/version"), testing::HasSubstr("preview"));
}

TEST_F(About, ResourcesAndPoliciesAreListed) {
  const auto resources = get_json("/_resources");
  std::vector<std::string> names;
  for (const auto& item : resources.at("resources").as_array()) names.emplace_back(item.at("name").as_string());
  EXPECT_THAT(names,
              testing::IsSupersetOf({"Mesh", "Dataplane", "MeshInsight", "ServiceInsight", "MeshSpeed", "Zone"}));
  EXPECT_TRUE(std::ranges::is_sorted(names));
  EXPECT_EQ(
      text_at(get_json("/policies"), "/policies/0"),
      R"({"name":"MeshSpeed","readOnly":false,"path":"meshspeeds","singularDisplayName":"Mesh Speed",)"
      R"("pluralDisplayName":"Mesh Speeds","isExperimental":false,"isTargetRefBased":true,"isInbound":false,"isOutbound":true})");
}

TEST_F(About, ConfigurationsOfProxiesAreShown) {
  put_mesh("default");
  put_dataplane("default", "web-1", "web");
  put_dataplane("default", "web-2", "web");
  EXPECT_EQ(text_at(get_json("/meshes/default/dataplanes/web-1/_config"),
                    "/xds/type.googleapis.com~1envoy.config.cluster.v3.Cluster"),
            "{}");
  EXPECT_EQ(send("GET", "/meshes/default/dataplanes/web-2/_config").status, 404);
  EXPECT_EQ(send("GET", "/meshes/default/dataplanes/nope/_config").status, 404);
  EXPECT_EQ(send("GET", "/meshes/default/dataplanes/web-1/_config?shadow=true").status, 400);
  ApiSettings settings;
  settings.access.view_config_dump = {};
  make_api(settings);
  EXPECT_EQ(send("GET", "/meshes/default/dataplanes/web-1/_config", {}, As::Anonymous).status, 403);
}

}  // namespace
}  // namespace mesh
