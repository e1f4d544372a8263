#include "dpserver/health_messages.h"

#include <envoy/service/health/v3/hds.pb.h>
#include <gmock/gmock.h>

namespace mesh {
namespace {

using envoy::service::health::v3::HealthCheckRequestOrEndpointHealthResponse;
using envoy::service::health::v3::HealthCheckSpecifier;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Dataplane dataplane() {
  Dataplane spec;
  spec.networking.address = "10.0.0.1";
  Inbound plain;
  plain.port = 8080;
  plain.service_port = 5050;
  Inbound probed = plain;
  probed.port = 8081;
  probed.service_port = 5051;
  probed.service_address = "127.0.0.1";
  probed.service_probe = ServiceProbe{.interval = std::chrono::milliseconds(1500),
                                      .timeout = {},
                                      .unhealthy_threshold = 3,
                                      .healthy_threshold = {},
                                      .tcp = {}};
  spec.networking.inbound = {plain, probed};
  return spec;
}

HealthCheckSpecifier specifier(const Dataplane& spec, const AdminAddress& admin) {
  HealthCheckSpecifier parsed;
  EXPECT_TRUE(parsed.ParseFromString(make_health_specifier(spec, admin, {}, std::chrono::seconds(5))));
  return parsed;
}

TEST(HealthSpecifier, AlwaysHasEnvoyProbeItsOwnReadiness) {
  const auto told = specifier(Dataplane(), {.socket = {}, .port = 9901});
  EXPECT_EQ(told.interval().seconds(), 5);
  ASSERT_EQ(told.cluster_health_checks_size(), 1);
  const auto& self = told.cluster_health_checks(0);
  EXPECT_EQ(self.cluster_name(), "kuma:envoy:admin");
  EXPECT_EQ(self.health_checks(0).http_health_check().path(), "/ready");
  const auto& address = self.locality_endpoints(0).endpoints(0).address().socket_address();
  EXPECT_EQ(address.address(), "127.0.0.1");
  EXPECT_EQ(address.port_value(), 9901u);
}

TEST(HealthSpecifier, AsksAnAdminSocketWhereThereIsOne) {
  const auto told = specifier(Dataplane(), {.socket = "/tmp/admin.sock", .port = 9901});
  EXPECT_EQ(told.cluster_health_checks(0).locality_endpoints(0).endpoints(0).address().pipe().path(),
            "/tmp/admin.sock");
}

TEST(HealthSpecifier, ProbesInboundsThatSaySo) {
  const auto told = specifier(dataplane(), {});
  ASSERT_EQ(told.cluster_health_checks_size(), 2);
  const auto& cluster = told.cluster_health_checks(1);
  EXPECT_EQ(cluster.cluster_name(), "localhost:5051");
  const auto& address = cluster.locality_endpoints(0).endpoints(0).address().socket_address();
  EXPECT_EQ(address.address(), "127.0.0.1");
  EXPECT_EQ(address.port_value(), 5051u);
  const auto& check = cluster.health_checks(0);
  EXPECT_TRUE(check.has_tcp_health_check());
  EXPECT_EQ(check.interval().seconds(), 1);
  EXPECT_EQ(check.interval().nanos(), 500'000'000);
  EXPECT_EQ(check.timeout().seconds(), 2);
  EXPECT_EQ(check.unhealthy_threshold().value(), 3u);
  EXPECT_EQ(check.healthy_threshold().value(), 1u);
}

HealthCheckRequestOrEndpointHealthResponse response(
    std::map<std::string, envoy::config::core::v3::HealthStatus> found) {
  HealthCheckRequestOrEndpointHealthResponse message;
  for (const auto& [cluster, status] : found) {
    auto& health = *message.mutable_endpoint_health_response()->add_cluster_endpoints_health();
    health.set_cluster_name(cluster);
    auto& endpoint = *health.add_locality_endpoints_health()->add_endpoints_health();
    endpoint.mutable_endpoint()->mutable_address()->mutable_pipe()->set_path("x");
    endpoint.set_health_status(status);
  }
  return message;
}

TEST(HealthMessage, TellsWhatEnvoyFound) {
  using namespace envoy::config::core::v3;
  const auto parsed =
      parse_health_message(response({{"a", HEALTHY}, {"b", UNHEALTHY}, {"c", UNKNOWN}, {"d", TIMEOUT}, {"e", DRAINING}})
                               .SerializeAsString());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_FALSE(parsed->node.has_value());
  EXPECT_THAT(parsed->healthy,
              ElementsAre(Pair("a", true), Pair("b", false), Pair("c", true), Pair("d", false), Pair("e", false)));
}

TEST(HealthMessage, TellsWhoEnvoyIs) {
  HealthCheckRequestOrEndpointHealthResponse message;
  message.mutable_health_check_request()->mutable_node()->set_id("default.web-1");
  message.mutable_health_check_request()->mutable_capability()->add_health_check_protocols(
      envoy::service::health::v3::Capability::HTTP);
  const auto parsed = parse_health_message(message.SerializeAsString());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->node->id.name, "web-1");
}

TEST(HealthMessage, ThatIsGarbageIsRefused) {
  const auto good = response({{"a", envoy::config::core::v3::HEALTHY}}).SerializeAsString();
  EXPECT_FALSE(parse_health_message(good.substr(0, good.size() - 1)).has_value());
  EXPECT_FALSE(parse_health_message("garbage").has_value());
}

TEST(Readiness, IsOfTheProxyAndOfEachProbedInbound) {
  const auto all_good = readiness_of({{"kuma:envoy:admin", true}, {"localhost:5051", true}}, dataplane());
  EXPECT_TRUE(all_good.proxy_ready);
  EXPECT_THAT(all_good.unavailable_ports, IsEmpty());

  const auto app_down = readiness_of({{"kuma:envoy:admin", true}, {"localhost:5051", false}}, dataplane());
  EXPECT_TRUE(app_down.proxy_ready);
  EXPECT_THAT(app_down.unavailable_ports, ElementsAre(8081u));

  EXPECT_FALSE(readiness_of({{"kuma:envoy:admin", false}}, dataplane()).proxy_ready);
}

TEST(AdminAddress, IsWhatTheNodeSaysElseTheDataplanesElseTheDefault) {
  Dataplane spec;
  EXPECT_EQ(admin_address_of("{}", spec, 9901).port, 9901u);
  spec.networking.admin = EnvoyAdmin{.port = 9000};
  EXPECT_EQ(admin_address_of("{}", spec, 9901).port, 9000u);
  EXPECT_EQ(admin_address_of(R"({"dataplane.admin.port":"9100"})", spec, 9901).port, 9100u);
  EXPECT_EQ(admin_address_of(R"({"dataplane.admin.socketPath":"/s"})", spec, 9901).socket, "/s");
  EXPECT_EQ(admin_address_of(R"({"dataplane.admin.port":"99999999999"})", spec, 9901).port, 9000u);
}

}  // namespace
}  // namespace mesh
