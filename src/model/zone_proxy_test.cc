#include "model/zone_proxy.h"

#include <boost/json.hpp>
#include <gmock/gmock.h>

#include "model/builtin.h"
#include "model/proxy.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> wrong_fields(const std::string& text) {
  KindRegistry kinds;
  add_builtin_kinds(kinds);
  const auto document = parse_document(boost::json::parse(text), kinds);
  if (!document) return {document.error().message()};
  std::vector<Violation> violations = document->violations;
  if (violations.empty()) document->resource.key.kind->validate(document->resource.spec, violations);
  std::vector<std::string> out;
  for (const Violation& violation : violations) out.push_back(violation.field);
  return out;
}

TEST(ZoneIngress, ListensSomewhereAndIsReachedThereOrElsewhere) {
  EXPECT_THAT(wrong_fields(R"({"type":"ZoneIngress","name":"x","networking":{"address":"10.0.0.5","port":10001}})"),
              IsEmpty());
  EXPECT_THAT(
      wrong_fields(
          R"({"type":"ZoneIngress","name":"x","networking":{"port":10001,"advertisedAddress":"in.example","advertisedPort":10001}})"),
      IsEmpty());
  EXPECT_THAT(wrong_fields(R"({"type":"ZoneIngress","name":"x"})"), ElementsAre("networking.port"));
  EXPECT_THAT(
      wrong_fields(
          R"({"type":"ZoneIngress","name":"x","networking":{"address":"0.0.0.0","port":70000,"advertisedAddress":"a.b"},)"
          R"("availableServices":[{"tags":{"version":"1"}}]})"),
      ElementsAre("networking.advertisedPort", "networking.address", "networking.port", "availableService[0].tags"));
  EXPECT_THAT(
      wrong_fields(
          R"({"type":"ZoneIngress","name":"x","networking":{"address":"127.0.0.1","port":9901,"admin":{"port":9901},"advertisedPort":1}})"),
      ElementsAre("networking.admin.port", "networking.advertisedAddress"));
}

TEST(ZoneEgress, ListensSomewhere) {
  EXPECT_THAT(wrong_fields(R"({"type":"ZoneEgress","name":"x","networking":{"address":"10.0.0.6","port":10002}})"),
              IsEmpty());
  EXPECT_THAT(wrong_fields(R"({"type":"ZoneEgress","name":"x","networking":{"address":"::"}})"),
              ElementsAre("networking.address", "networking.port"));
}

TEST(Proxy, IsFoundByItsResourceAndItsInsight) {
  const ProxyId ingress{"", "x", ProxyRole::Ingress}, egress{"", "x", ProxyRole::Egress}, web{"default", "x"};
  for (const ProxyId& proxy : {ingress, egress, web}) {
    EXPECT_EQ(proxy_of_resource(proxy_key(proxy)), proxy);
    EXPECT_EQ(proxy_of_insight(insight_key(proxy)), proxy);
    EXPECT_EQ(proxy_of_resource(insight_key(proxy)), std::nullopt);
  }
  EXPECT_NE(ingress, egress);
}

}  // namespace
}  // namespace mesh
