#include "api/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh::api {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

const Router& the_router() {
  static Router router;
  const Answer none = [](const Call&) { return wire::Response{}; };
  router.add("GET", "/", none);
  router.add("GET", "/meshes", none);
  router.add("GET", "/meshes/{name}", none);
  router.add("PUT", "/meshes/{name}", none);
  router.add("GET", "/meshes/{mesh}/dataplanes/{name}", none);
  router.add("GET", "/meshes/{mesh}/dataplanes/_overview", none);
  router.add("GET", "/meshes/{mesh}/dataplanes/{name}/_overview", none);
  return router;
}

TEST(Router, NamesThePiecesOfAPath) {
  const auto match = the_router().find("GET", "/meshes/prod/dataplanes/web-1");
  ASSERT_NE(match.answer, nullptr);
  EXPECT_THAT(match.params, UnorderedElementsAre(Pair("mesh", "prod"), Pair("name", "web-1")));
  EXPECT_EQ(match.pattern, "/meshes/{mesh}/dataplanes/{name}");
}

TEST(Router, PrefersAFixedPieceToANamedOne) {
  const auto match = the_router().find("GET", "/meshes/prod/dataplanes/_overview");
  EXPECT_EQ(match.pattern, "/meshes/{mesh}/dataplanes/_overview");
}

TEST(Router, GoesBackToTheNamedPieceWhenTheFixedOneLeadsNowhere) {
  const auto match = the_router().find("GET", "/meshes/prod/dataplanes/_overview/_overview");
  EXPECT_EQ(match.pattern, "/meshes/{mesh}/dataplanes/{name}/_overview");
  EXPECT_THAT(match.params, UnorderedElementsAre(Pair("mesh", "prod"), Pair("name", "_overview")));
}

TEST(Router, ForgivesASlashAtTheEnd) {
  EXPECT_NE(the_router().find("GET", "/meshes/").answer, nullptr);
  EXPECT_NE(the_router().find("GET", "/").answer, nullptr);
}

TEST(Router, SaysWhichMethodsAPathHas) {
  const auto match = the_router().find("DELETE", "/meshes/prod");
  EXPECT_EQ(match.answer, nullptr);
  EXPECT_THAT(match.allowed, ElementsAre("GET", "PUT"));
}

TEST(Router, KnowsNoOtherPaths) {
  for (const char* path :
       {"", "meshes", "/nope", "/meshes/a/b", "/meshes//dataplanes/x", "//", "//meshes", "/meshes/a/dataplanes/b/c"}) {
    const auto match = the_router().find("GET", path);
    EXPECT_EQ(match.answer, nullptr) << path;
    EXPECT_THAT(match.allowed, IsEmpty()) << path;
  }
}

}  // namespace
}  // namespace mesh::api
