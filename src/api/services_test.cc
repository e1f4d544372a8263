#include "api/test_api.h"
#include "model/address_block.h"
#include "model/service.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Services : public ApiTest {
 protected:
  Services() {
    put_mesh("default");
    put_dataplane("default", "kv-1", "kv");
    put_dataplane("default", "web-1", "web");
    MeshServiceStatus status;
    status.addresses.push_back({"kv.svc.mesh.local", "HostnameGenerator", {"local"}});
    MeshService spec;
    spec.selector.dataplane_tags = Tags{{kServiceTag, "kv"}};
    Write write;
    write.resource.key = {&kMeshServiceKind, "default", "kv"};
    write.resource.labels = {{"kuma.io/zone", "east"}};
    write.resource.spec = AnySpec::of(spec);
    write.resource.status = AnySpec::of(status);
    EXPECT_TRUE(store.write({std::move(write)}));
  }
};

TEST_F(Services, TellTheirHostnamesAndWhereTheyHold) {
  const auto answer = get_json("/meshes/default/meshservices/kv/_hostnames");
  EXPECT_EQ(text_at(answer, "/items"), R"([{"hostname":"kv.svc.mesh.local","zones":[{"name":"east"}]}])");
  EXPECT_EQ(text_at(answer, "/total"), "1");
  EXPECT_EQ(send("GET", "/meshes/default/meshservices/nope/_hostnames").status, 404);
}

TEST_F(Services, ByTagTellTheirAddressAndWhatBecameOfTheirNames) {
  AddressBlock block;
  block.addresses = {
      {"127.1.0.0",
       {"service/kv", {}, Condition{kPublishedCondition, "True", "Accepted", "kv.mesh.local", clock.now()}}},
      {"127.1.0.1", {"service/web", {}, {}}},
      {"127.1.0.2", {"service/kv", clock.now(), {}}}};
  put(kAddressBlockKind, "", "127.1.0.0", AnySpec::of(block));
  const auto answer = get_json("/meshes/default/service-insights/kv/_hostnames");
  EXPECT_EQ(text_at(answer, "/total"), "1");
  EXPECT_EQ(text_at(answer, "/items/0/address"), "127.1.0.0");
  EXPECT_EQ(text_at(answer, "/items/0/conditions/0/reason"), "Accepted");
  EXPECT_EQ(text_at(answer, "/items/0/conditions/0/lastTransitionTime"), format_time(clock.now()));
  EXPECT_EQ(text_at(get_json("/meshes/default/service-insights/web/_hostnames"), "/items/0/conditions"), "[]");
  EXPECT_EQ(send("GET", "/meshes/nope/service-insights/kv/_hostnames").status, 404);
}

TEST_F(Services, TellTheirDataplanes) {
  EXPECT_THAT(names_in(get_json("/meshes/default/meshservices/kv/_resources/dataplanes")), ElementsAre("kv-1"));
  EXPECT_THAT(names_in(get_json("/meshes/default/meshservices/kv/_resources/dataplanes?offset=1&size=5")), IsEmpty());
}

TEST_F(Services, HaveNamesThatFitIntoDns) {
  const std::string name(64, 'a');
  const auto put = [&](const std::string& path, const std::string& kind, const std::string& spec) {
    return invalid_fields(
        send("PUT", "/meshes/default/" + path + "/" + name,
             R"({"type":")" + kind + R"(","mesh":"default","name":")" + name + R"(","spec":)" + spec + "}"));
  };
  EXPECT_THAT(put("meshservices", "MeshService", "{}"), ElementsAre("name"));
  EXPECT_THAT(put("meshexternalservices", "MeshExternalService", R"({"match":{"port":80}})"), ElementsAre("name"));
}

TEST_F(Services, TheBookOfAddressesIsNotShown) { EXPECT_EQ(send("GET", "/addressblocks").status, 404); }

}  // namespace
}  // namespace mesh
