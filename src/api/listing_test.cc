#include "api/test_api.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Listing : public ApiTest {
 protected:
  Listing() {
    for (const char* mesh : {"default", "prod"}) put_mesh(mesh);
    put_dataplane("default", "api-1", "api");
    put_dataplane("default", "web-1", "web");
    put_dataplane("default", "web-2", "web");
    put_dataplane("prod", "web-1", "web");
  }
};

TEST_F(Listing, ShowsAPageAndWhereTheNextOneIs) {
  const auto page = get_json("/meshes?size=1");
  EXPECT_EQ(text_at(page, "/total"), "2");
  EXPECT_THAT(names_in(page), ElementsAre("default"));
  EXPECT_EQ(text_at(page, "/next"), "http://localhost:5681/meshes?offset=1&size=1");
  const auto last = get_json("/meshes?offset=1&size=1");
  EXPECT_THAT(names_in(last), ElementsAre("prod"));
  EXPECT_EQ(text_at(last, "/next"), "null");
}

TEST_F(Listing, KeepsTheOtherQuestionsInTheNextLink) {
  const auto page = get_json("/meshes/default/dataplanes?size=1&name=web&filter[labels.team]=web");
  EXPECT_EQ(text_at(page, "/next"),
            "http://localhost:5681/meshes/default/dataplanes?filter%5Blabels.team%5D=web&name=web&offset=1&size=1");
}

TEST_F(Listing, IsEmptyBeyondTheEnd) {
  const auto page = get_json("/meshes?offset=100");
  EXPECT_THAT(names_in(page), IsEmpty());
  EXPECT_EQ(text_at(page, "/total"), "2");
  EXPECT_EQ(text_at(page, "/next"), "null");
}

TEST_F(Listing, RefusesSizesThatAreNone) {
  for (const char* size : {"abc", "0", "-1", "1001", "99999999999999999999", "1.5", "%"}) {
    const auto response = send("GET", std::string("/meshes?size=") + size);
    EXPECT_EQ(response.status, 400) << size;
    EXPECT_THAT(invalid_fields(response), ElementsAre("size")) << size;
    EXPECT_THAT(response.body, HasSubstr("Invalid page size"));
  }
  for (const char* offset : {"abc", "-1"})
    EXPECT_EQ(send("GET", std::string("/meshes?offset=") + offset).status, 400) << offset;
  EXPECT_EQ(send("GET", "/meshes?offset=9223372036854775807&size=1000").status, 200);
}

TEST_F(Listing, ShowsAHundredUnlessTold) {
  for (int i = 0; i < 101; ++i) put_dataplane("prod", "many-" + std::to_string(i), "many");
  EXPECT_THAT(names_in(get_json("/meshes/prod/dataplanes")), SizeIs(100));
}

TEST_F(Listing, GoesOverOneMeshOrAll) {
  EXPECT_THAT(names_in(get_json("/meshes/prod/dataplanes")), ElementsAre("web-1"));
  EXPECT_THAT(names_in(get_json("/dataplanes")), ElementsAre("api-1", "web-1", "web-2", "web-1"));
}

TEST_F(Listing, FindsPartsOfNames) {
  EXPECT_THAT(names_in(get_json("/meshes/default/dataplanes?name=eb-")), ElementsAre("web-1", "web-2"));
}

TEST_F(Listing, FiltersByLabels) {
  EXPECT_THAT(names_in(get_json("/dataplanes?filter[labels.team]=api")), ElementsAre("api-1"));
  EXPECT_THAT(names_in(get_json("/dataplanes?filter[labels.team]=nope")), IsEmpty());
  EXPECT_THAT(invalid_fields(send("GET", "/dataplanes?filter[name]=x")), ElementsAre("/dataplanes.filter[name]"));
  EXPECT_EQ(send("GET", "/dataplanes?filter[labels.team]x=1").status, 400);
  EXPECT_EQ(send("GET", "/dataplanes?filter[labels.team=1").status, 400);
  EXPECT_EQ(send("GET", "/dataplanes?filter[labels.=1").status, 400);
}

TEST_F(Listing, FiltersDataplanesByTag) {
  EXPECT_THAT(names_in(get_json("/meshes/default/dataplanes?tag=kuma.io/service:web")), ElementsAre("web-1", "web-2"));
  EXPECT_THAT(names_in(get_json("/meshes/default/dataplanes?tag=kuma.io/service:we&tag=kuma.io/zone:east")),
              ElementsAre("web-1", "web-2"));
  EXPECT_THAT(names_in(get_json("/meshes/default/dataplanes?tag=kuma.io/service:web&tag=kuma.io/zone:west")),
              IsEmpty());
  const auto page = get_json("/meshes/default/dataplanes?tag=kuma.io/service:web&size=1");
  EXPECT_EQ(text_at(page, "/total"), "2");
  EXPECT_THAT(text_at(page, "/next"), HasSubstr("offset=1"));
}

TEST_F(Listing, FiltersGateways) {
  Dataplane gateway;
  gateway.networking.address = "10.0.0.9";
  gateway.networking.gateway.emplace().tags = {{kServiceTag, "edge"}};
  put(kDataplaneKind, "prod", "edge", AnySpec::of(gateway));
  EXPECT_THAT(names_in(get_json("/meshes/prod/dataplanes?gateway=true")), ElementsAre("edge"));
  EXPECT_THAT(names_in(get_json("/meshes/prod/dataplanes?gateway=delegated")), ElementsAre("edge"));
  EXPECT_THAT(names_in(get_json("/meshes/prod/dataplanes?gateway=builtin")), IsEmpty());
  EXPECT_THAT(names_in(get_json("/meshes/prod/dataplanes?gateway=false")), ElementsAre("web-1"));
  EXPECT_THAT(invalid_fields(send("GET", "/meshes/prod/dataplanes?gateway=foo")),
              ElementsAre("/meshes/{mesh}/dataplanes.gateway"));
}

TEST_F(Listing, ShowsOverviewsWithWhatIsKnown) {
  DataplaneInsight insight;
  insight.subscriptions.emplace_back().id = "s1";
  put_insight("default", "web-1", insight);
  const auto list = get_json("/meshes/default/dataplanes/_overview?name=web");
  EXPECT_THAT(names_in(list), ElementsAre("web-1", "web-2"));
  EXPECT_EQ(text_at(list, "/items/0/type"), "DataplaneOverview");
  EXPECT_EQ(text_at(list, "/items/0/dataplane/networking/address"), "10.0.0.1");
  EXPECT_EQ(text_at(list, "/items/0/dataplaneInsight/subscriptions/0/id"), "s1");
  EXPECT_EQ(text_at(list, "/items/1/dataplaneInsight"), "(none)");
  EXPECT_EQ(text_at(get_json("/meshes/default/dataplanes/web-1/_overview"), "/dataplaneInsight/subscriptions/0/id"),
            "s1");
  EXPECT_THAT(names_in(get_json("/meshes/default/dataplanes+insights?tag=kuma.io/service:api")), ElementsAre("api-1"));
  EXPECT_EQ(text_at(get_json("/meshes/default/dataplanes+insights/web-1"), "/name"), "web-1");
}

}  // namespace
}  // namespace mesh
