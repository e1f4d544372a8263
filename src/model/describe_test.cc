#include "model/describe.h"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>

#include "model/target_ref.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

enum class Colour { Red, Green };
BOOST_DESCRIBE_ENUM(Colour, Red, Green)

struct Leaf {
  std::optional<Duration> idle_timeout;
  std::optional<double> share;
  std::vector<Leaf> children;

  static constexpr std::array kRules = {FieldRule{.member = "share", .min = 0, .max = 100}};
};
BOOST_DESCRIBE_STRUCT(Leaf, (), (idle_timeout, share, children))

struct Base {
  std::string kind;
};
BOOST_DESCRIBE_STRUCT(Base, (), (kind))

struct Sample : Base {
  std::string namespace_;
  bool enabled = false;
  std::uint16_t port = 0;
  std::uint64_t sent = 0;
  Colour colour = Colour::Red;
  std::map<std::string, std::string> tags;
  std::vector<Leaf> leaves;
  boost::json::value conf;
};
BOOST_DESCRIBE_STRUCT(Sample, (Base), (namespace_, enabled, port, sent, colour, tags, leaves, conf))

struct Read {
  Sample value;
  std::vector<Violation> violations;
};

Read read(const char* json, Dialect dialect = Dialect::Spec) {
  Read read;
  read.value =
      read_as<Sample>(boost::json::parse(json), dialect, dialect == Dialect::Spec ? "spec" : "", read.violations);
  return read;
}

std::string print(const Sample& value, Dialect dialect) { return boost::json::serialize(print_as(value, dialect)); }

TEST(Describe, ReadsWhatItPrints) {
  const std::string text =
      R"({"namespace":"a","enabled":true,"port":80,"sent":7,"colour":"Green","tags":{"a":"b"},)"
      R"("leaves":[{"idleTimeout":"1h0m0s","children":[{"share":5E1}]}],"conf":{"x":[1,null]},"kind":"k"})";

  const Read sample = read(text.c_str());

  EXPECT_THAT(sample.violations, IsEmpty());
  EXPECT_EQ(sample.value.leaves[0].idle_timeout, 1h);
  EXPECT_EQ(sample.value.kind, "k");
  EXPECT_EQ(boost::json::parse(print(sample.value, Dialect::Spec)), boost::json::parse(text));
}

TEST(Describe, NamesEveryViolationWithItsPath) {
  const Read sample = read(R"({"enabled":"yes","port":70000,"colour":"Blue","tags":{"a/b":1},
                               "leaves":[{},{"idleTimeout":"5x","children":[{"share":101}]}]})");

  EXPECT_THAT(sample.violations,
              ElementsAre(Violation{"spec.enabled", "in body must be of type boolean, but is of type string"},
                          Violation{"spec.port", "must be in the range [0, 65535]"},
                          Violation{"spec.colour", "in body should be one of [Red Green], but is \"Blue\""},
                          Violation{"spec.tags[\"a/b\"]", "in body must be of type string, but is of type integer"},
                          Violation{"spec.leaves[1].idleTimeout",
                                    "must be a duration such as \"5s\" or \"1h30m\", but is \"5x\""},
                          Violation{"spec.leaves[1].children[0].share", "must be in the range [0, 100]"}));
}

TEST(Describe, TheFlatDialectIsAsLenientAsProtobufJson) {
  const Read sample =
      read(R"({"port":"80","sent":"18","colour":1,"unknown":{},"namespace_":"n","tags":null})", Dialect::Flat);

  EXPECT_THAT(sample.violations, IsEmpty());
  EXPECT_EQ(sample.value.port, 80);
  EXPECT_EQ(sample.value.sent, 18u);
  EXPECT_EQ(sample.value.colour, Colour::Green);
  EXPECT_EQ(sample.value.namespace_, "n");
}

TEST(Describe, TheSpecDialectTakesNoNumbersInQuotes) {
  EXPECT_THAT(read(R"({"port":"80"})").violations,
              ElementsAre(Violation{"spec.port", "in body must be of type integer, but is of type string"}));
}

TEST(Describe, FlatPrintingLeavesOutZeroesAndQuotesLongNumbers) {
  EXPECT_EQ(print({}, Dialect::Flat), "{}");
  Sample sample;
  sample.sent = 4;
  sample.port = 1;
  EXPECT_EQ(print(sample, Dialect::Flat), R"({"port":1,"sent":"4"})");
}

TEST(Describe, FractionsAreNoIntegersButWholeFloatsAre) {
  EXPECT_EQ(read(R"({"port":80.0})").value.port, 80);
  EXPECT_EQ(read(R"({"port":80.5})").violations.size(), 1u);
  EXPECT_EQ(read(R"({"port":-1})").violations.size(), 1u);
  EXPECT_EQ(read(R"({"sent":1e300})").violations.size(), 1u);
}

TEST(Describe, RequiredMembersAreMissedByName) {
  std::vector<Violation> violations;
  read_as<TargetRef>(boost::json::parse(R"({"name":"x"})"), Dialect::Spec, "spec.targetRef", violations);
  EXPECT_THAT(violations, ElementsAre(Violation{"spec.targetRef.kind", "in body is required"}));
}

TEST(Describe, ATargetRefPrintsItsKindThoughItIsTheDefault) {
  EXPECT_EQ(boost::json::serialize(print_as(TargetRef{.proxy_types = {{ProxyType::Gateway}}}, Dialect::Spec)),
            R"({"kind":"Mesh","proxyTypes":["Gateway"]})");
}

TEST(Describe, SnakeCaseBecomesCamelCase) {
  EXPECT_EQ(camel_case("service_port"), "servicePort");
  EXPECT_EQ(camel_case("namespace_"), "namespace");
  EXPECT_EQ(camel_case("mtls"), "mtls");
}

}  // namespace
}  // namespace mesh
