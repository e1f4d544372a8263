#include "api/test_api.h"

namespace mesh {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kDataplane = R"({"type": "Dataplane", "mesh": "default", "name": "web-1",
  "networking": {"address": "10.0.0.1", "inbound": [{"port": 8080, "tags": {"kuma.io/service": "web"}}]}})";

class Resources : public ApiTest {
 protected:
  Resources() { put_mesh("default"); }
};

TEST_F(Resources, AreCreatedReplacedAndDeleted) {
  EXPECT_EQ(send("PUT", "/meshes/default/dataplanes/web-1", kDataplane).status, 201);
  EXPECT_EQ(send("PUT", "/meshes/default/dataplanes/web-1", kDataplane).status, 200);
  const auto shown = get_json("/meshes/default/dataplanes/web-1");
  EXPECT_EQ(text_at(shown, "/type"), "Dataplane");
  EXPECT_EQ(text_at(shown, "/networking/inbound/0/tags/kuma.io~1service"), "web");
  EXPECT_EQ(send("DELETE", "/meshes/default/dataplanes/web-1").status, 200);
  EXPECT_EQ(send("GET", "/meshes/default/dataplanes/web-1").status, 404);
}

TEST_F(Resources, AnswerAWriteWithAnEmptyObject) {
  const auto response = send("PUT", "/meshes/default/dataplanes/web-1", kDataplane);
  EXPECT_EQ(response.body, "{}\n");
  EXPECT_EQ(response.headers.find("content-type"), "application/json");
}

TEST_F(Resources, ThatAreNotThereAreAProblem) {
  EXPECT_EQ(send("GET", "/meshes/nope").body,
            "{\n \"type\": \"/std-errors\",\n \"status\": 404,\n \"title\": \"Could not retrieve a resource\",\n"
            " \"detail\": \"Not found\",\n \"details\": \"Not found\"\n}\n");
  EXPECT_THAT(send("GET", "/meshes/default/dataplanes/nope").body, HasSubstr("Could not retrieve a resource"));
  EXPECT_THAT(send("GET", "/meshes/nope/dataplanes").body, HasSubstr("Failed to retrieve Mesh"));
  EXPECT_THAT(send("DELETE", "/meshes/default/dataplanes/nope").body, HasSubstr("Could not delete a resource"));
  EXPECT_EQ(send("PUT", "/meshes/nope/dataplanes/web-1", kDataplane).status, 404);
}

TEST_F(Resources, NameEverythingThatIsWrongWithThem) {
  const auto response = send("PUT", "/meshes/default/dataplanes/bad",
                             R"({"type": "Dataplane", "mesh": "default", "name": "bad",
                                 "networking": {"address": "..", "inbound": [{"port": 99999, "tags": {"kuma.io/service": "a"}}]}})");
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(invalid_fields(response), Contains("networking.inbound[0].port"));
  const auto body = *parse_json(response.body);
  EXPECT_EQ(text_at(body, "/title"), "Could not process a resource");
  EXPECT_EQ(text_at(body, "/detail"), "Resource is not valid");
  EXPECT_EQ(text_at(body, "/causes/0/field"), text_at(body, "/invalid_parameters/0/field"));
  EXPECT_EQ(text_at(body, "/causes/0/message"), text_at(body, "/invalid_parameters/0/reason"));
}

TEST_F(Resources, MustSayTheSameAsTheirUrl) {
  EXPECT_THAT(invalid_fields(send("PUT", "/meshes/default/dataplanes/other",
                                  R"({"type": "Dataplane", "mesh": "prod", "name": "web-1",
                                      "networking": {"address": "10.0.0.1", "inbound": [{"port": 1, "tags": {"kuma.io/service": "a"}}]}})")),
              ElementsAre("name", "mesh"));
  EXPECT_THAT(invalid_fields(send("PUT", "/meshes/prod", R"({"type": "Zone", "name": "prod"})")), ElementsAre("type"));
}

TEST_F(Resources, ThatAreNotJsonAreABadRequest) {
  for (const char* body :
       {"{nope", "[]", "\"text\"", "17", "null", "{} {}", "{\"a\":", "\xff\xfe", "{\"type\": \"Mesh\"", "\0x"}) {
    const auto response = send("PUT", "/meshes/x", std::string(body) + (*body == '\0' ? "x" : ""));
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(response.body, HasSubstr("\"Bad Request\"")) << body;
    EXPECT_THAT(response.body, HasSubstr("invalid Mesh object")) << body;
  }
}

TEST_F(Resources, ThatNestTooDeepAreABadRequest) {
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  const auto response = send("PUT", "/meshes/x", R"({"type": "Mesh", "name": "x", "logging": )" + deep + "}");
  EXPECT_EQ(response.status, 400);
}

TEST_F(Resources, MustSayThatTheyAreJson) {
  auto request = this->request("PUT", "/meshes/x", R"({"type": "Mesh", "name": "x"})");
  request.headers.set("content-type", "text/plain");
  EXPECT_EQ(send(request).status, 415);
  request.headers.set("content-type", "application/x-www-form-urlencoded");
  EXPECT_EQ(send(request).status, 415);
  request.headers.set("content-type", "Application/JSON; charset=utf-8");
  EXPECT_EQ(send(request).status, 201);
}

TEST_F(Resources, OfUnknownKindsHaveNoPath) {
  const auto response = send("GET", "/meshes/default/nopes");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "404: Page Not Found");
}

TEST_F(Resources, SayWhichMethodsTheyHave) {
  const auto response = send("POST", "/meshes");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers.find("allow"), "GET");
}

TEST_F(Resources, ThatOnlyTheControlPlaneWritesCannotBeWritten) {
  const auto response = send("PUT", "/meshes/default/dataplane-insights/web-1",
                             R"({"type": "DataplaneInsight", "mesh": "default", "name": "web-1"})");
  EXPECT_EQ(response.status, 405);
  EXPECT_THAT(response.body, HasSubstr("\"Method not allowed\""));
}

TEST_F(Resources, CannotBeWrittenWhenTheApiIsReadOnly) {
  make_api({.read_only = true});
  EXPECT_EQ(send("PUT", "/meshes/x", R"({"type": "Mesh", "name": "x"})").status, 405);
  EXPECT_EQ(send("DELETE", "/meshes/default").status, 405);
  EXPECT_EQ(send("GET", "/meshes/default").status, 200);
}

TEST_F(Resources, OfPoliciesHaveTheirFieldsUnderSpec) {
  EXPECT_EQ(send("PUT", "/meshes/default/meshspeeds/slow",
                 R"({"type": "MeshSpeed", "mesh": "default", "name": "slow", "spec": {"limit": 5}})")
                .status,
            201);
  EXPECT_EQ(text_at(get_json("/meshes/default/meshspeeds/slow"), "/spec/limit"), "5");
  EXPECT_EQ(text_at(get_json("/meshes/default/mesh-speeds/slow"), "/spec/limit"), "5");
  EXPECT_THAT(invalid_fields(send(
                  "PUT", "/meshes/default/meshspeeds/slow",
                  R"({"type": "MeshSpeed", "mesh": "default", "name": "slow", "spec": {"limit": "x", "unit": 7}})")),
              ElementsAre("spec.limit", "spec.unit"));
}

TEST_F(Resources, AreFoundByTheirKri) {
  put(kSpeedKind, "default", "slow", AnySpec::of(Speed{}), {{"kuma.io/zone", "east"}, {"kuma.io/origin", "zone"}});
  const std::string kri = text_at(get_json("/meshes/default/meshspeeds/slow"), "/kri");
  EXPECT_EQ(text_at(get_json("/_kri/" + kri), "/name"), "slow");
  EXPECT_EQ(send("GET", "/_kri/kri_ms_default_west__slow_").status, 404);
  EXPECT_EQ(send("GET", "/_kri/nonsense").status, 400);
  EXPECT_EQ(send("GET", "/_kri/kri_zz_default___x_").status, 400);
}

TEST_F(Resources, AnswerHeadLikeGetWithoutBody) {
  const auto response = send("HEAD", "/meshes/default");
  EXPECT_EQ(response.status, 200);
  EXPECT_THAT(response.body, IsEmpty());
}

TEST_F(Resources, AreOnlyGivenAsJson) {
  auto request = this->request("GET", "/meshes");
  request.headers.set("accept", "text/html");
  EXPECT_EQ(send(request).status, 406);
  request.headers.set("accept", "text/html, */*;q=0.8");
  EXPECT_EQ(send(request).status, 200);
}

}  // namespace
}  // namespace mesh
