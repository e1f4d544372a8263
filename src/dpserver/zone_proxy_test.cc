// Zone proxies at the door: with zone tokens, registered as ZoneIngress and ZoneEgress.
#include "model/zone_proxy.h"

#include <gmock/gmock.h>

#include "admission/bootstrap_defaults.h"
#include "dpserver/bootstrap_service.h"
#include "dpserver/lifecycle_stream.h"
#include "dpserver/test_house.h"
#include "identity/certificates.h"

namespace mesh {
namespace {

using testing::HasSubstr;

const std::string kIngress = R"({"type":"ZoneIngress","name":"in-1","networking":{"address":"10.0.0.5","port":10001}})";
const std::string kEgress = R"({"type":"ZoneEgress","name":"out-1","networking":{"address":"10.0.0.6","port":10002}})";

ProxyNode zone_node(ProxyRole type, const std::string& name, const std::string& document) {
  ProxyNode out = test::node(name, document, "");
  out.id.type = type;
  return out;
}

class ZoneProxies : public testing::Test {
 protected:
  ZoneProxies() {
    const Status made = ensure_defaults(house.store, house.admission, {}, house.clock);
    EXPECT_TRUE(made) << made.error().message();
  }
  Secret zone_token(ZoneClaims claims) {
    return *TokenIssuer(house.secrets, house.clock).issue(claims, std::chrono::hours(1));
  }
  std::string let_in(const ProxyNode& who, const Secret& token) {
    const Status status = gatekeeper.let_in(who, test::with_token(token));
    return status ? "in" : status.error().message();
  }
  bool is_stored(const Kind& kind, const std::string& name) { return house.store.get({&kind, {}, name}).has_value(); }

  test::House house;
  TokenAuthenticator tokens{house.secrets, house.clock, {}, "east"};
  Gatekeeper gatekeeper{tokens, house.store, house.admission, house.kinds};
};

TEST_F(ZoneProxies, RegisterThemselvesWithAZoneToken) {
  EXPECT_EQ(let_in(zone_node(ProxyRole::Ingress, "in-1", kIngress), zone_token({"east", {"ingress", "egress"}})), "in");
  EXPECT_EQ(let_in(zone_node(ProxyRole::Egress, "out-1", kEgress), zone_token({"", {"egress"}})), "in");
  EXPECT_TRUE(is_stored(kZoneIngressKind, "in-1"));
  EXPECT_TRUE(is_stored(kZoneEgressKind, "out-1"));
  EXPECT_EQ(let_in(zone_node(ProxyRole::Ingress, "in-1", ""), zone_token({"east", {"ingress"}})), "in")
      << "the stored one";
}

TEST_F(ZoneProxies, AreRefusedWithATokenOfAnotherScopeOrZone) {
  const ProxyNode ingress = zone_node(ProxyRole::Ingress, "in-1", kIngress);
  EXPECT_THAT(let_in(ingress, zone_token({"east", {"egress"}})), HasSubstr("not for a proxy of type \"ingress\""));
  EXPECT_THAT(let_in(ingress, zone_token({"east", {}})), HasSubstr("scope"));
  EXPECT_THAT(let_in(ingress, zone_token({"west", {"ingress"}})),
              HasSubstr("for zone \"west\"; this is zone \"east\""));
  EXPECT_FALSE(is_stored(kZoneIngressKind, "in-1"));
}

TEST_F(ZoneProxies, DoNotComeInWithADataplaneTokenNorDataplanesWithAZoneToken) {
  EXPECT_NE(let_in(zone_node(ProxyRole::Ingress, "in-1", kIngress), house.token({})), "in");
  EXPECT_NE(
      let_in(test::node("web-1", test::dataplane_json("web-1", "web")), zone_token({"east", {"ingress", "egress"}})),
      "in");
  EXPECT_NE(let_in(zone_node(ProxyRole::Ingress, "in-1", kIngress), Secret()), "in");
}

TEST_F(ZoneProxies, BringTheResourceOfTheirType) {
  const Secret token = zone_token({"east", {"ingress", "egress"}});
  EXPECT_THAT(let_in(zone_node(ProxyRole::Egress, "in-1", kIngress), token), HasSubstr("must be ZoneEgress"));
  EXPECT_THAT(let_in(zone_node(ProxyRole::Ingress, "in-2", kIngress), token),
              HasSubstr("the proxy says that it is .in-2"));
  EXPECT_THAT(let_in(zone_node(ProxyRole::Ingress, "web-1", test::dataplane_json("web-1", "web")), token),
              HasSubstr("must be ZoneIngress"));
}

TEST_F(ZoneProxies, MayHaveAnotherKindOfCredentialThanDataplanes) {
  NoAuthenticator nobody_asks;
  Gatekeeper mixed(Authenticators(tokens, nobody_asks), house.store, house.admission, house.kinds);
  EXPECT_TRUE(mixed.let_in(zone_node(ProxyRole::Ingress, "in-1", kIngress), {}));
  EXPECT_FALSE(mixed.let_in(test::node("web-1", test::dataplane_json("web-1", "web")), {}));
}

TEST_F(ZoneProxies, GetABootstrapWithoutAHealthStream) {
  CertificateRequest request;
  request.common_name = "cp";
  request.dns_names = {"cp.mesh"};
  request.valid_for = std::chrono::hours(24);
  Published<std::string> certificate;
  certificate.set(
      std::make_shared<const std::string>(make_self_signed(request, KeyType::EcdsaP256, house.clock)->certificate_pem));
  WorkerGroups workers{1, 0, 10};
  BootstrapParams params;
  params.xds_port = 5678;
  const BootstrapService service(params, gatekeeper, house.store, workers, certificate);
  boost::json::object body = {
      {"mesh", ""}, {"name", "in-1"}, {"proxyType", "ingress"}, {"dataplaneResource", kIngress}};
  const auto without = parse_bootstrap_request(boost::json::serialize(body));
  ASSERT_TRUE(without) << without.error().message();
  EXPECT_THAT(service.answer(*without, "cp.mesh").error().message(), HasSubstr("zone token is required"));
  body["dataplaneToken"] = zone_token({"east", {"ingress"}}).reveal();
  const auto answer = service.answer(*parse_bootstrap_request(boost::json::serialize(body)), "cp.mesh");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->address, "10.0.0.5");
  const auto file = boost::json::parse(answer->envoy);
  EXPECT_EQ(file.at_pointer("/node/id").as_string(), ".in-1");
  EXPECT_EQ(file.at_pointer("/node/cluster").as_string(), "ingress");
  EXPECT_EQ(file.at_pointer("/node/metadata").as_object().at("dataplane.proxyType").as_string(), "ingress");
  EXPECT_FALSE(file.as_object().contains("hdsConfig"));
}

TEST_F(ZoneProxies, OfAnUnknownTypeAreRefused) {
  const auto refused = parse_bootstrap_request(R"({"mesh":"","name":"x","proxyType":"gateway"})");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("proxyType"));
}

}  // namespace
}  // namespace mesh
