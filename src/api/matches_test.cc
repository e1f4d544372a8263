#include "api/test_api.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Matches : public ApiTest {
 protected:
  Matches() {
    put_mesh("default");
    put_dataplane("default", "kv-1", "kv");
    put_dataplane("default", "web-1", "web");
    put_dataplane("default", "web-2", "web");
    put(kSpeedKind, "default", "all", AnySpec::of(Speed{}), {{"for", ""}});
    put(kSpeedKind, "default", "web", AnySpec::of(Speed{}), {{"for", "web"}});
    put(kSpeedKind, "default", "nobody", AnySpec::of(Speed{}), {{"for", "x"}});
  }
};

TEST_F(Matches, OfADataplaneAreItsPoliciesByKind) {
  const auto answer = get_json("/meshes/default/dataplanes/web-1/policies");
  EXPECT_EQ(text_at(answer, "/kind"), "SidecarDataplane");
  EXPECT_EQ(text_at(answer, "/total"), "1");
  EXPECT_EQ(text_at(answer, "/items/0/type"), "dataplane");
  EXPECT_EQ(text_at(answer, "/items/0/matchedPolicies/MeshSpeed/0/name"), "all");
  EXPECT_EQ(text_at(answer, "/items/0/matchedPolicies/MeshSpeed/1/name"), "web");
  EXPECT_EQ(text_at(get_json("/meshes/default/dataplanes/kv-1/policies"), "/items/0/matchedPolicies/MeshSpeed/0/name"),
            "all");
}

TEST_F(Matches, OfADataplaneWithoutPoliciesAreNone) {
  put_mesh("empty");
  put_dataplane("empty", "kv-1", "kv");
  const auto answer = get_json("/meshes/empty/dataplanes/kv-1/policies");
  EXPECT_EQ(text_at(answer, "/total"), "0");
  EXPECT_EQ(text_at(answer, "/items"), "[]");
}

TEST_F(Matches, OfWhatIsNotThereAreNotFound) {
  const auto nobody = send("GET", "/meshes/default/dataplanes/nope/policies");
  EXPECT_EQ(nobody.status, 404);
  EXPECT_THAT(nobody.body, testing::HasSubstr("Could not get MatchedPolicies"));
  const auto nowhere = send("GET", "/meshes/nope/dataplanes/web-1/policies");
  EXPECT_EQ(nowhere.status, 404);
  EXPECT_THAT(nowhere.body, testing::HasSubstr("Could not build MeshContext"));
  const auto nothing = send("GET", "/meshes/default/meshspeeds/nope/_resources/dataplanes");
  EXPECT_EQ(nothing.status, 404);
  EXPECT_THAT(nothing.body, testing::HasSubstr("Could not retrieve policy"));
}

TEST_F(Matches, OfAPolicyAreTheDataplanesThatItSelects) {
  const auto names = [&](const std::string& path) { return names_in(get_json("/meshes/default/meshspeeds/" + path)); };
  EXPECT_THAT(names("all/_resources/dataplanes"), ElementsAre("kv-1", "web-1", "web-2"));
  EXPECT_THAT(names("web/_resources/dataplanes"), ElementsAre("web-1", "web-2"));
  EXPECT_THAT(names("web/_resources/dataplanes?size=1&offset=1"), ElementsAre("web-2"));
  EXPECT_THAT(names("all/_resources/dataplanes?name=kv"), ElementsAre("kv-1"));
  EXPECT_THAT(names("nobody/_resources/dataplanes"), IsEmpty());
  EXPECT_EQ(text_at(get_json("/meshes/default/meshspeeds/web/dataplanes"), "/items/1"),
            R"({"kind":"SidecarDataplane","dataplane":{"mesh":"default","name":"web-2"},)"
            R"("attachments":[{"type":"dataplane"}]})");
}

}  // namespace
}  // namespace mesh
