#include <boost/json.hpp>

#include <future>

#include "base/encoding.h"
#include "dpserver/bootstrap_service.h"
#include "dpserver/test_house.h"
#include "identity/certificates.h"
#include "model/dataplane.h"

namespace mesh {
namespace {

namespace json = boost::json;
using test::dataplane_json;
using testing::HasSubstr;
using testing::Not;

std::string certificate_for(const std::string& host, const Clock& clock) {
  CertificateRequest request;
  request.common_name = "cp";
  request.dns_names = {host};
  request.ip_addresses = {"127.0.0.1"};
  request.valid_for = std::chrono::hours(24);
  return make_self_signed(request, KeyType::EcdsaP256, clock)->certificate_pem;
}

class BootstrapTest : public testing::Test {
 protected:
  BootstrapTest() {
    certificate.set(std::make_shared<const std::string>(certificate_for("cp.mesh", house.clock)));
    params.xds_port = 5678;
  }

  static json::object request() {
    return {{"mesh", "default"},
            {"name", "web-1"},
            {"proxyType", "dataplane"},
            {"dataplaneResource", dataplane_json("web-1", "web")},
            {"version",
             {{"kumaDp", {{"version", "2.14.3"}, {"gitTag", ""}}},
              {"envoy", {{"version", "1.40.0"}, {"kumaDpCompatible", true}}}}},
            {"workdir", "/tmp/work"},
            {"readinessPort", 9902},
            {"features", {"feature-bind-outbounds"}},
            {"metricsResources", {{"certPath", ""}, {"keyPath", ""}}},
            {"spireResources", {{"socketPath", ""}}},
            {"dataplaneConfig", nullptr}};
  }
  Result<BootstrapAnswer> ask(const json::object& body, const std::string& host = "cp.mesh") {
    const auto parsed = parse_bootstrap_request(json::serialize(body));
    if (!parsed) return parsed.error();
    return BootstrapService(params, gatekeeper, house.store, workers, certificate).answer(*parsed, host);
  }
  wire::Response http(std::string body, const std::string& accept = "application/json") {
    wire::Request http_request;
    http_request.method = "POST";
    http_request.path = "/bootstrap";
    http_request.body = std::move(body);
    http_request.headers.add("Host", "cp.mesh:5678");
    http_request.headers.add("Accept", accept);
    std::promise<wire::Response> answered;
    const BootstrapService service(params, gatekeeper, house.store, workers, certificate);
    service.handle(std::move(http_request), [&](wire::Response response) { answered.set_value(std::move(response)); });
    return answered.get_future().get();
  }
  json::object with_token(DataplaneClaims claims = {}) {
    json::object body = request();
    body["dataplaneToken"] = house.token(std::move(claims)).reveal();
    return body;
  }

  test::House house;
  TokenAuthenticator authenticator{house.secrets, house.clock};
  Gatekeeper gatekeeper{authenticator, house.store, house.admission, house.kinds};
  WorkerGroups workers{2, 0, 100};
  Published<std::string> certificate;
  BootstrapParams params;
};

TEST_F(BootstrapTest, GivesTheFileThatEnvoyIsStartedWith) {
  const auto answer = ask(with_token());
  ASSERT_TRUE(answer.has_value()) << answer.error().message();
  EXPECT_EQ(answer->address, "10.0.0.1");
  const auto file = json::parse(answer->envoy);
  EXPECT_EQ(file.at_pointer("/node/id").as_string(), "default.web-1");
  EXPECT_EQ(file.at_pointer("/node/cluster").as_string(), "web");
  const auto& metadata = file.at_pointer("/node/metadata").as_object();
  EXPECT_EQ(metadata.at("dataplane.readinessReporter.port").as_string(), "9902");
  EXPECT_EQ(metadata.at("dataplane.admin.port").as_string(), "9901");
  EXPECT_EQ(metadata.at("dataplane.admin.socketPath").as_string(), "/tmp/work/kuma-envoy-admin.sock");
  EXPECT_EQ(metadata.at("version").at_pointer("/envoy/version").as_string(), "1.40.0");
  EXPECT_EQ(metadata.at("features").as_array().at(0).as_string(), "feature-bind-outbounds");
  EXPECT_THAT(std::string(metadata.at("dataplane.resource").as_string()), HasSubstr("kuma.io/service"));
  EXPECT_EQ(file.at_pointer("/dynamicResources/adsConfig/apiType").as_string(), "GRPC");
  EXPECT_TRUE(file.as_object().contains("hdsConfig"));
}

TEST_F(BootstrapTest, UsesDeltaDiscoveryForWhoCanDoIt) {
  json::object body = with_token();
  body["features"] = json::array{"feature-delta-grpc"};
  EXPECT_EQ(json::parse(ask(body)->envoy).at_pointer("/dynamicResources/adsConfig/apiType").as_string(), "DELTA_GRPC");
}

TEST_F(BootstrapTest, DiscoveryIsCarriedForWhoOffersASocketAndForNobodyElse) {
  json::object body = with_token();
  const auto before = ask(body);
  EXPECT_THAT(before->envoy, HasSubstr("cp.mesh"));

  body["taskmeshDiscoverySocket"] = "/tmp/work/taskmesh-discovery.sock";
  const auto carried = ask(body);
  ASSERT_TRUE(carried.has_value()) << carried.error().message();
  EXPECT_THAT(carried->envoy, HasSubstr(R"("pipe":{"path":"/tmp/work/taskmesh-discovery.sock"})"));
  EXPECT_THAT(carried->envoy, Not(HasSubstr(R"("authorization")")));

  params.may_carry_discovery = false;  // an operator has given discovery an address of its own
  EXPECT_EQ(ask(body)->envoy, before->envoy);
}

TEST_F(BootstrapTest, WhoOffersASocketProvesWhoItIsAllTheSame) {
  json::object body = request();
  body["taskmeshDiscoverySocket"] = "/tmp/work/taskmesh-discovery.sock";
  EXPECT_EQ(http(json::serialize(body)).status, 422);
  body["dataplaneToken"] = "nonsense";
  EXPECT_EQ(http(json::serialize(body)).status, 401);
}

TEST_F(BootstrapTest, TheAnswerIsJsonForWhoAsksForIt) {
  const auto response = http(json::serialize(with_token()));
  EXPECT_EQ(response.status, 200);
  const auto body = json::parse(response.body);
  const auto file = base64_decode(std::string(body.at_pointer("/bootstrap").as_string()));
  ASSERT_TRUE(file.has_value());
  EXPECT_THAT(*file, HasSubstr("default.web-1"));
  EXPECT_EQ(body.at_pointer("/kumaSidecarConfiguration/networking/address").as_string(), "10.0.0.1");
  EXPECT_TRUE(body.at_pointer("/kumaSidecarConfiguration/networking/corefileTemplate").is_null());
  EXPECT_TRUE(body.at_pointer("/kumaSidecarConfiguration/metrics/aggregate").as_array().empty());
}

TEST_F(BootstrapTest, TheAnswerIsTheFileAloneForTheOldestSidecars) {
  const auto response = http(json::serialize(with_token()), "*/*");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.find("content-type"), "text/x-yaml");
  EXPECT_THAT(response.body, HasSubstr("default.web-1"));
}

TEST_F(BootstrapTest, ATokenIsRequired) { EXPECT_EQ(http(json::serialize(request())).status, 422); }

TEST_F(BootstrapTest, AFileOfATokenIsEnoughAsItIsReadLater) {
  json::object body = request();
  body["dataplaneTokenPath"] = "/run/token";
  EXPECT_TRUE(ask(body).has_value());
}

TEST_F(BootstrapTest, ATokenThatDoesNotFitIsRefusedAtOnce) {
  EXPECT_EQ(
      http(json::serialize(with_token({.name = "web-2", .mesh = "", .tags = {}, .type = "", .workload = ""}))).status,
      403);
  json::object body = request();
  body["dataplaneToken"] = "nonsense";
  const auto response = http(json::serialize(body));
  EXPECT_EQ(response.status, 401);
  EXPECT_THAT(response.body, Not(HasSubstr("nonsense")));
}

TEST_F(BootstrapTest, ADataplaneThatIsNotThereIsA404WithoutABodySoThatTheSidecarGoesOnTrying) {
  json::object body = with_token();
  body.erase("dataplaneResource");
  const auto response = http(json::serialize(body));
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body, "");
}

TEST_F(BootstrapTest, ADataplaneThatIsNotValidIsA422ThatNamesTheFields) {
  json::object body = with_token();
  body["dataplaneResource"] =
      R"({"type":"Dataplane","mesh":"default","name":"web-1","networking":{"address":"10.0.0.1","inbound":[{"port":0}]}})";
  const auto response = http(json::serialize(body));
  EXPECT_EQ(response.status, 422);
  EXPECT_THAT(response.body, HasSubstr("networking.inbound[0]"));
}

TEST_F(BootstrapTest, AMeshThatIsNotThereIsA422) {
  NoAuthenticator none;
  Gatekeeper open(none, house.store, house.admission, house.kinds);
  json::object body = request();
  body["mesh"] = "other";
  body["dataplaneResource"] = dataplane_json("web-1", "web", "other");
  const auto answer = BootstrapService(params, open, house.store, workers, certificate)
                          .answer(*parse_bootstrap_request(json::serialize(body)), "cp.mesh");
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().violations.at(0).field, "mesh");
}

TEST_F(BootstrapTest, AHostThatTheCertificateIsNotForIsRefused) {
  const auto answer = ask(with_token(), "elsewhere");
  ASSERT_FALSE(answer.has_value());
  EXPECT_THAT(answer.error().message(), HasSubstr("cp.mesh"));
  EXPECT_TRUE(ask(with_token(), "127.0.0.1").has_value());
  params.xds_host = "cp.public";  // then that is what counts
  const auto told = ask(with_token(), "elsewhere");
  ASSERT_TRUE(told.has_value());
  EXPECT_THAT(told->envoy, HasSubstr("cp.public"));
}

TEST_F(BootstrapTest, ACertificateThatIsNoAuthorityIsRefused) {
  // A leaf that the mesh's CA signed.
  const auto root = make_builtin_root(
      "default", CaBackend{.name = "ca", .type = "builtin", .dp_cert = {}, .conf = {}, .root_chain = {}}, house.clock);
  ASSERT_TRUE(root.has_value());
  json::object body = with_token();
  body["caCert"] = root->certificate_pem;
  EXPECT_TRUE(ask(body).has_value());
  body["caCert"] = "no certificate";
  EXPECT_FALSE(ask(body).has_value());
}

TEST_F(BootstrapTest, GarbageIsA400) {
  EXPECT_EQ(http("{").status, 400);
  EXPECT_EQ(http("[]").status, 400);
  EXPECT_EQ(http(R"({"mesh": 42})").status, 400);
  EXPECT_EQ(http(std::string(100, '[')).status, 413);
}

TEST_F(BootstrapTest, FieldsThatAreNullOrMissingAreEmpty) {
  EXPECT_TRUE(parse_bootstrap_request(R"({"mesh":"default","name":"a","features":null,"otelEnv":null})").has_value());
}

TEST(HostWithoutPort, IsTheNameOrAddress) {
  EXPECT_EQ(host_without_port("cp:5678"), "cp");
  EXPECT_EQ(host_without_port("cp"), "cp");
  EXPECT_EQ(host_without_port("10.0.0.1:1"), "10.0.0.1");
  EXPECT_EQ(host_without_port("[::1]:5678"), "::1");
  EXPECT_EQ(host_without_port("::1"), "::1");
}

}  // namespace
}  // namespace mesh
