#include "wire/target.h"

#include <gmock/gmock.h>

#include "wire/text.h"

namespace mesh::wire {
namespace {

using testing::ElementsAre;
using testing::Pair;

Request parsed(std::string_view target) {
  Request request;
  EXPECT_TRUE(parse_target(target, request)) << target;
  return request;
}

TEST(Target, IsDecodedIntoPathAndQuery) {
  Request request = parsed("/meshes/a%20b?size=10&filter[key]=kuma.io%2Fzone&name=x+y&flag&empty=");
  EXPECT_EQ(request.target, "/meshes/a%20b?size=10&filter[key]=kuma.io%2Fzone&name=x+y&flag&empty=");
  EXPECT_EQ(request.path, "/meshes/a b");
  EXPECT_THAT(request.query, ElementsAre(Pair("size", "10"), Pair("filter[key]", "kuma.io/zone"), Pair("name", "x y"),
                                         Pair("flag", ""), Pair("empty", "")));
  EXPECT_EQ(request.query_value("name"), "x y");
  EXPECT_EQ(request.query_value("other"), std::nullopt);
}

TEST(Target, KeepsAPlusInThePath) { EXPECT_EQ(parsed("/a+b").path, "/a+b"); }

TEST(Target, MayBeAWholeUrlOrAStar) {
  EXPECT_EQ(parsed("http://host:80/x?y=1").path, "/x");
  EXPECT_EQ(parsed("http://host").path, "/");
  EXPECT_EQ(parsed("*").path, "*");
}

TEST(Target, AcceptsBareCharactersThatShouldHaveBeenEscaped) {
  EXPECT_EQ(parsed("/a|b?q={\"x\"}").query_value("q"), "{\"x\"}");
  EXPECT_EQ(parsed("/a|b").path, "/a|b");
}

TEST(Target, IsRefusedWhenItCannotBeRead) {
  for (std::string_view bad : {"", "x", "/%", "/%4", "/%zz", "/a?b=%zz", "/\x01", "/%00", "http://"}) {
    Request request;
    EXPECT_FALSE(parse_target(bad, request)) << bad;
  }
}

TEST(Headers, CompareNamesWithoutCaseAndKeepOrder) {
  Headers headers;
  headers.add("Accept", "a");
  headers.add("accept", "b");
  EXPECT_EQ(headers.find("ACCEPT"), "a");
  headers.set("aCCept", "c");
  EXPECT_THAT(headers.all(), ElementsAre(Pair("aCCept", "c")));
  EXPECT_EQ(headers.find("none"), std::nullopt);
}

TEST(FieldValue, CannotEndItsLine) { EXPECT_EQ(clean_field_value(" a\r\nSet-Cookie: b\n"), "a  Set-Cookie: b"); }

TEST(Date, IsWrittenAsHttpWantsIt) {
  EXPECT_EQ(http_date(SystemTime(std::chrono::seconds(784111777))), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace mesh::wire
