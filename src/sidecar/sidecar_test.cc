#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "sidecar/bootstrap.h"
#include "sidecar/bootstrap_client.h"
#include "sidecar/envoy_admin.h"
#include "sidecar/envoy_binary.h"
#include "sidecar/envoy_log.h"
#include "sidecar/inbound_probe.h"
#include "sidecar/proxy_resource.h"
#include "sidecar/readiness.h"
#include "sidecar/settings.h"
#include "sidecar/token.h"

namespace mesh::sidecar {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
namespace json = boost::json;

constexpr const char* kTemplate = R"(type: Dataplane
mesh: default
name: "{{ name }}"
networking:
  address: {{ address }}
  inbound:
    - port: 8080
      servicePort: 5000
      tags: {kuma.io/service: kv, kuma.io/protocol: http}
    - port: 8081
      address: 10.0.0.9
      tags: {kuma.io/service: kv-admin}
    - port: 8082
      state: Ignored
      tags: {kuma.io/service: off}
)";

// --- settings ---

TEST(SidecarSettings, TakeLessThanEcsAllowsByDefaultAndAnExplicitDrainTimeAtItsWord) {
  Settings settings;
  EXPECT_EQ(settings.stop_budget(), 28s);
  settings.drain_time = 90s;
  EXPECT_EQ(settings.stop_budget(), 90s);
}

TEST(SidecarSettings, AnnounceOnlyWhatIsThere) {
  Settings settings;
  EXPECT_THAT(settings.features(),
              ElementsAre("feature-delta-grpc", "feature-strict-inbound-ports", "feature-reuse-port"));
  settings.bind_outbounds = true;
  settings.delta_xds = false;
  EXPECT_THAT(settings.features(),
              ElementsAre("feature-bind-outbounds", "feature-strict-inbound-ports", "feature-reuse-port"));
}

TEST(SidecarSettings, GiveTheProofOfARoleToNobodyWhoseNameWasNotVerified) {
  Settings settings;
  settings.resource = "type: Dataplane";
  settings.auth_type = "aws";
  settings.cp_address = "https://cp:5678";
  EXPECT_TRUE(check(settings));
  settings.cp_address = "http://cp:5678";
  EXPECT_THAT(check(settings).error().message(), HasSubstr("must begin with https://"));
  settings.cp_address = "https://cp:5678";
  settings.skip_verify = true;
  EXPECT_THAT(check(settings).error().message(), HasSubstr("--skip-verify"));
  settings.skip_verify = false;
  settings.token_file = "/token";
  EXPECT_THAT(check(settings).error().message(), HasSubstr("together with --auth-type=aws"));
}

TEST(SidecarSettings, KnowThreeWaysToProveWhoTheProxyIs) {
  Settings settings;
  settings.resource = "type: Dataplane";
  settings.cp_address = "https://cp:5678";
  for (const char* type : {"", "aws", "dataplane-token", "none"}) {
    settings.auth_type = type;
    EXPECT_TRUE(check(settings)) << type;
  }
  settings.auth_type = "iam";
  EXPECT_THAT(check(settings).error().message(), HasSubstr("may be aws, dataplane-token or none"));
}

TEST(SidecarSettings, AreRefusedWithEverythingThatIsWrong) {
  Settings settings;
  settings.cp_address = "localhost:5678";
  settings.drain_time = 0s;
  const auto status = check(settings);
  ASSERT_FALSE(status);
  const std::string message = status.error().message();
  EXPECT_THAT(message, HasSubstr("--cp-address"));
  EXPECT_THAT(message, HasSubstr("--drain-time"));
  EXPECT_THAT(message, HasSubstr("--name"));
}

TEST(SidecarSettings, DoNotTakeANameBesideADefinition) {
  Settings settings;
  settings.resource_file = "dp.yaml";
  settings.name = "kv-1";
  EXPECT_THAT(check(settings).error().message(), HasSubstr("--name"));
}

// --- the Dataplane ---

TEST(ProxyResourceTest, IsTheTemplateWithItsVariables) {
  const auto resource =
      render_proxy_resource(kTemplate, {{"name", "kv-1"}, {"address", "10.0.0.2"}}, ProxyRole::Dataplane, "dp.yaml");
  ASSERT_TRUE(resource) << resource.error().message();
  EXPECT_EQ(resource->name, "kv-1");
  EXPECT_EQ(resource->mesh, "default");
  EXPECT_EQ(json::parse(resource->json).at("networking").at("address"), "10.0.0.2");
}

TEST(ProxyResourceTest, ListensWhereEachInboundSaysExceptIgnoredOnes) {
  const auto resource =
      render_proxy_resource(kTemplate, {{"name", "kv-1"}, {"address", "10.0.0.2"}}, ProxyRole::Dataplane, "dp.yaml");
  ASSERT_TRUE(resource);
  EXPECT_THAT(resource->inbounds, ElementsAre(SocketAddress{"10.0.0.2", 8080}, SocketAddress{"10.0.0.9", 8081}));
}

TEST(ProxyResourceTest, NamesTheVariableThatIsNotSetAndItsLine) {
  const auto resource = render_proxy_resource(kTemplate, {{"name", "kv-1"}}, ProxyRole::Dataplane, "dp.yaml");
  ASSERT_FALSE(resource);
  EXPECT_THAT(resource.error().message(), HasSubstr("address"));
  EXPECT_THAT(resource.error().message(), HasSubstr("line 5"));
  EXPECT_THAT(resource.error().message(), HasSubstr("dp.yaml"));
}

TEST(ProxyResourceTest, MustBeOfTheProxysType) {
  const auto resource = render_proxy_resource("type: Mesh\nname: default\n", {}, ProxyRole::Dataplane, "dp.yaml");
  ASSERT_FALSE(resource);
  EXPECT_THAT(resource.error().message(), HasSubstr("Dataplane"));
}

TEST(SocketAddressTest, PutsBracketsRoundIpv6) {
  EXPECT_EQ((SocketAddress{"::1", 80}.to_string()), "[::1]:80");
  EXPECT_EQ((SocketAddress{"10.0.0.1", 80}.to_string()), "10.0.0.1:80");
}

// --- token ---

TEST(TokenTest, LosesTheWhiteSpaceRoundIt) {
  const auto token = parse_token("\n eyJhbGciOiJSUzI1NiJ9.e30.c2ln \n", "t");
  ASSERT_TRUE(token) << token.error().message();
  EXPECT_EQ(token->reveal(), "eyJhbGciOiJSUzI1NiJ9.e30.c2ln");
}

TEST(TokenTest, IsRefusedWhenItIsNoTokenAndNeverShown) {
  for (const char* text : {"", "  ", "hello", "a.b", "eyJh.e30\n.c2ln"}) {
    const auto token = parse_token(text, "the-file");
    ASSERT_FALSE(token) << text;
    EXPECT_THAT(token.error().message(), HasSubstr("the-file"));
    if (std::string_view(text).size() > 2) {
      EXPECT_THAT(token.error().message(), testing::Not(HasSubstr(text)));
    }
  }
}

// --- bootstrap ---

TEST(BootstrapRequestTest, HasTheFieldsOfTheStockRequest) {
  Settings settings;
  BootstrapRequest request;
  request.resource = {.json = "{}", .mesh = "default", .name = "kv-1", .inbounds = {}};
  request.envoy = {"1.40.0", "abc/1.40.0/Clean/RELEASE/BoringSSL"};
  request.token = Secret("a.b.c");
  request.work_dir = "/tmp/x";
  request.host.max_memory_bytes = 512;
  const auto body = json::parse(bootstrap_request_json(settings, request)).as_object();
  EXPECT_EQ(body.at("mesh"), "default");
  EXPECT_EQ(body.at("name"), "kv-1");
  EXPECT_EQ(body.at("proxyType"), "dataplane");
  EXPECT_EQ(body.at("dataplaneToken"), "a.b.c");
  EXPECT_EQ(body.at("dataplaneResource"), "{}");
  EXPECT_EQ(body.at("version").at("envoy").at("version"), "1.40.0");
  EXPECT_EQ(body.at("readinessPort"), 9902);
  EXPECT_EQ(body.at("workdir"), "/tmp/x");
  EXPECT_EQ(body.at("resources").at("maxHeapSizeBytes"), 512);
  EXPECT_FALSE(body.contains("dnsPort")) << "there is no DNS server here";
  EXPECT_FALSE(body.contains("taskmeshDiscoverySocket")) << "there is none";
}

std::string answer_with(std::string_view yaml) {
  return json::serialize(json::value{{"bootstrap", base64_encode(yaml)},
                                     {"kumaSidecarConfiguration", {{"networking", {{"address", "10.0.0.2"}}}}}});
}

TEST(BootstrapAnswerTest, SaysWhereEnvoysAdminWillBe) {
  auto bootstrap =
      parse_bootstrap_answer(answer_with("admin:\n  address:\n    pipe:\n      path: /tmp/x/kuma-envoy-admin.sock\n"));
  ASSERT_TRUE(bootstrap) << bootstrap.error().message();
  EXPECT_EQ(bootstrap->admin_socket, "/tmp/x/kuma-envoy-admin.sock");
  bootstrap = parse_bootstrap_answer(
      answer_with("admin:\n  address:\n    socketAddress:\n      address: 127.0.0.1\n      portValue: 9901\n"));
  ASSERT_TRUE(bootstrap) << bootstrap.error().message();
  EXPECT_EQ(bootstrap->admin_address, (SocketAddress{"127.0.0.1", 9901}));
}

TEST(BootstrapAnswerTest, SaysWhetherDiscoveryComesOverTheSocketThatWasOffered) {
  const std::string answer = answer_with(R"(
admin: {address: {pipe: {path: /tmp/x/admin.sock}}}
staticResources:
  clusters:
    - {name: logs, loadAssignment: {endpoints: [{lbEndpoints: [{endpoint: {address: {pipe: {path: /tmp/x/logs.sock}}}}]}]}}
    - {name: ads_cluster, loadAssignment: {endpoints: [{lbEndpoints: [{endpoint: {address: {pipe: {path: /tmp/x/ads.sock}}}}]}]}}
)");
  EXPECT_TRUE(parse_bootstrap_answer(answer, "/tmp/x/ads.sock")->uses_discovery_socket);
  EXPECT_FALSE(parse_bootstrap_answer(answer, "/tmp/y/ads.sock")->uses_discovery_socket);
  EXPECT_FALSE(parse_bootstrap_answer(answer)->uses_discovery_socket);
  const std::string direct = answer_with("admin: {address: {pipe: {path: /tmp/x/admin.sock}}}");
  EXPECT_FALSE(parse_bootstrap_answer(direct, "/tmp/x/ads.sock")->uses_discovery_socket);
}

TEST(BootstrapAnswerTest, IsRefusedWhenItIsNotOne) {
  for (const std::string& body :
       {std::string("<html>"), std::string("{}"), answer_with("a: [b"), answer_with("node: {}\n")}) {
    EXPECT_FALSE(parse_bootstrap_answer(body)) << body;
  }
}

TEST(BootstrapRefusalTest, TellsWhetherAskingAgainCanHelp) {
  EXPECT_EQ(explain_bootstrap_refusal(422, "mesh: does not exist", "https://cp:5678").kind, ErrorKind::Invalid);
  EXPECT_EQ(explain_bootstrap_refusal(503, "", "https://cp:5678").kind, ErrorKind::Unavailable);
  EXPECT_EQ(explain_bootstrap_refusal(404, "", "https://cp:5678").kind, ErrorKind::NotFound);
  EXPECT_THAT(explain_bootstrap_refusal(404, "not found", "https://cp:5681").text, HasSubstr("5678"));
}

TEST(BackoffTest, GrowsUpToItsLimit) {
  Backoff backoff(100ms, 1s);
  const Duration first = backoff.next();
  EXPECT_LE(first, 100ms);
  EXPECT_GE(first, 74ms);
  for (int i = 0; i < 10; ++i) backoff.next();
  EXPECT_LE(backoff.next(), 1s);
  EXPECT_GE(backoff.next(), 740ms);
  backoff.reset();
  EXPECT_LE(backoff.next(), 100ms);
}

// --- Envoy ---

TEST(EnvoyVersionTest, IsReadFromWhatEnvoySays) {
  const auto version = parse_envoy_version("\nenvoy  version: 1234abc/1.40.0/Clean/RELEASE/BoringSSL\n\n");
  ASSERT_TRUE(version);
  EXPECT_EQ(version->version, "1.40.0");
  EXPECT_EQ(version->build, "1234abc/1.40.0/Clean/RELEASE/BoringSSL");
  EXPECT_FALSE(parse_envoy_version("GNU bash, version 5.2.15"));
}

TEST(EnvoyBinaryTest, MissingSaysWhereItWasLookedForAndTheSetting) {
  const auto path = find_envoy("envoy-that-is-not-there", "/usr/nowhere:/opt/nowhere", "/usr/bin/taskmesh-dp");
  ASSERT_FALSE(path);
  EXPECT_THAT(path.error().message(), HasSubstr("/usr/nowhere/envoy-that-is-not-there"));
  EXPECT_THAT(path.error().message(), HasSubstr("/usr/bin/envoy"));
  EXPECT_THAT(path.error().message(), HasSubstr("KUMA_DATAPLANE_RUNTIME_BINARY_PATH"));
}

TEST(EnvoyArgumentsTest, DrainInsideTheBudgetAndNeverRestartHot) {
  Settings settings;
  settings.concurrency = 2;
  const auto arguments = envoy_arguments(settings, "/tmp/b.yaml");
  EXPECT_THAT(arguments, testing::IsSupersetOf({"/tmp/b.yaml", "--disable-hot-restart", "28", "2", "info"}));
}

TEST(EnvoyLogTest, BecomesOurLevelsAndKeepsTheComponent) {
  auto line = parse_envoy_log("W|config|gRPC config stream closed: 14, no | healthy upstream");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->level, log::Level::Warn);
  EXPECT_EQ(line->text, "config: gRPC config stream closed: 14, no | healthy upstream");
  line = parse_envoy_log("C|main|exiting");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->level, log::Level::Error);
  EXPECT_EQ(line->text, "exiting");
  EXPECT_FALSE(parse_envoy_log("  continued"));
  line = parse_envoy_log("I|main|  envoy.filters.http: envoy.filters.http.router");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->level, log::Level::Debug) << "the inventory that Envoy prints at its start";
  EXPECT_FALSE(parse_envoy_log("X|y|z"));
}

TEST(EnvoyLogTest, HoldsNoToken) {
  EXPECT_EQ(without_tokens("'authorization', 'eyJhbGci.eyJOYW1lI.KN22_93-Y'"), "'authorization', '***'");
  EXPECT_EQ(without_tokens("a eyJh.eyJi.c and Bearer eyJx.eyJy.z"), "a *** and Bearer ***");
  EXPECT_EQ(without_tokens("eyJ is not one, nor is eyJh.b"), "eyJ is not one, nor is eyJh.b");
  EXPECT_EQ(without_tokens("eyJh.eyJi."), "***") << "cut off";
  EXPECT_EQ(without_tokens("'authorization', 'taskmesh-aws-1.eyJhdWQi'"), "'authorization', 'taskmesh-aws-1.***'");
}

TEST(EnvoyStatsTest, CountsOnlyTheInboundListeners) {
  const std::string stats =
      "listener.10.0.0.2_8080.downstream_cx_active: 3\n"
      "listener.10.0.0.2_80801.downstream_cx_active: 9\n"
      "listener.127.0.0.1_9000.downstream_cx_active: 7\n"
      "listener.[__1]_8081.downstream_cx_active: 2\n"
      "listener.admin.downstream_cx_active: 1\n";
  EXPECT_EQ(sum_active(stats, {{"10.0.0.2", 8080}, {"::1", 8081}}), 5);
  EXPECT_EQ(sum_active("", {{"10.0.0.2", 8080}}), 0);
}

TEST(EnvoyStatsTest, CountsRequestsAndNotConnectionsWhereAListenerSpeaksHttp) {
  const std::string stats =
      "http.localhost_5050.downstream_rq_active: 2\n"
      "http.other.downstream_rq_active: 9\n"
      "listener.10.0.0.2_8080.downstream_cx_active: 30\n"
      "listener.10.0.0.2_8080.http.localhost_5050.downstream_rq_completed: 100\n";
  EXPECT_EQ(sum_active(stats, {{"10.0.0.2", 8080}}), 2);
}

// --- readiness ---

TEST(ReadinessTest, AnswersOnlyReadyAndOnlyWhileTrafficMayCome) {
  wire::Request request;
  request.path = "/ready";
  EXPECT_EQ(answer_readiness(request, Standing::Ready).status, 200);
  EXPECT_EQ(answer_readiness(request, Standing::Ready).body, "READY");
  EXPECT_EQ(answer_readiness(request, Standing::Starting).status, 503);
  EXPECT_EQ(answer_readiness(request, Standing::Leaving).body, "TERMINATING");
  request.path = "/config_dump";
  EXPECT_EQ(answer_readiness(request, Standing::Ready).status, 404);
}

}  // namespace
}  // namespace mesh::sidecar
