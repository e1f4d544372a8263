#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <gmock/gmock.h>
#include <google/protobuf/any.pb.h>
#include <gtest/gtest.h>

#include "envoy/bootstrap.h"
#include "envoy/names.h"
#include "envoy/pack.h"
#include "envoy/resource_set.h"

namespace mesh::envoy {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

::envoy::config::listener::v3::Listener listener_with_many_tags() {
  ::envoy::config::listener::v3::Listener listener;
  auto& fields = *(*listener.mutable_metadata()->mutable_filter_metadata())["io.kuma.tags"].mutable_fields();
  for (int i = 0; i < 50; ++i) fields["tag" + std::to_string(i)].set_string_value("value");
  return listener;
}

TEST(Packing, GivesTheSameBytesForTheSameContent) {
  const NamedResourcePtr once = make_resource("a", listener_with_many_tags());
  const NamedResourcePtr again = make_resource("a", listener_with_many_tags());

  EXPECT_EQ(*once->body, *again->body);
  EXPECT_EQ(once->version, again->version);
  EXPECT_EQ(once->version.size(), 15U);
}

TEST(Packing, GivesAnotherVersionForOtherContent) {
  auto changed = listener_with_many_tags();
  changed.set_name("x");

  EXPECT_NE(make_resource("a", changed)->version, make_resource("a", listener_with_many_tags())->version);
}

TEST(Packing, WritesWhatAnAnyWouldWrite) {
  for (const int tags : {0, 1, 3, 50}) {  // nothing; lengths of one, two and three bytes
    ::envoy::config::listener::v3::Listener listener;
    if (tags > 0) listener.set_name(std::string(static_cast<std::size_t>(tags * tags * 40), 'x'));
    google::protobuf::Any any;
    any.set_type_url("type.googleapis.com/envoy.config.listener.v3.Listener");
    any.set_value(listener.SerializeAsString());

    EXPECT_EQ(*make_resource("a", listener)->body, any.SerializeAsString());
  }
}

TEST(Packing, PrintsWhatIsInsideAnAny) {
  ::envoy::config::listener::v3::Listener listener;
  ::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager http;
  http.set_stat_prefix("backend");
  pack_any(http, *listener.add_filter_chains()->add_filters()->mutable_typed_config());

  const auto json = resource_to_json(*make_resource("a", listener)->body);

  ASSERT_TRUE(json.has_value());
  EXPECT_THAT(*json, HasSubstr(R"("statPrefix":"backend")"));
}

TEST(Packing, RefusesToPrintWhatItDoesNotKnow) {
  google::protobuf::Any any;
  any.set_type_url("type.googleapis.com/not.a.Type");

  EXPECT_FALSE(resource_to_json(serialize(any)).has_value());
  EXPECT_FALSE(resource_to_json("\xff garbage").has_value());
}

TEST(Draft, PutsTheRouterAfterAllOtherHttpFilters) {
  ResourceSet draft;
  auto* http = draft.make<proto::HttpConnectionManager>();
  draft.add_listener({.shell = draft.make<proto::Listener>(),
                      .chains = {{.shell = draft.make<proto::FilterChain>(),
                                  .http = http,
                                  .http_filters = {{"first", draft.make<proto::HttpConnectionManager>()}}}}});

  draft.seal_listeners();

  std::vector<std::string> filters;
  for (const auto& filter : http->http_filters()) filters.push_back(filter.name());
  EXPECT_THAT(filters, ElementsAre("first", "envoy.filters.http.router"));
}

TEST(Draft, SealsResourcesInTheOrderOfTheirNames) {
  ResourceSet draft;
  for (const char* name : {"b", "a"}) {
    draft.add_listener({.shell = draft.make<proto::Listener>()}).shell->set_name(name);
  }

  const NamedResourceList sealed = draft.seal_listeners();

  EXPECT_EQ(sealed.at(0)->name, "a");
  EXPECT_EQ(sealed.at(1)->name, "b");
}

TEST(Names, PutIpv6AddressesInBrackets) {
  EXPECT_EQ(names::inbound_listener("fd00::1", 80), "inbound:[fd00::1]:80");
  EXPECT_EQ(names::inbound_listener("10.0.0.1", 80), "inbound:10.0.0.1:80");
}

TEST(Names, BecomePartsOfStatisticNames) {
  EXPECT_EQ(names::for_statistics("inbound:10.0.0.1:80"), "inbound_10_0_0_1_80");
}

BootstrapSpec usual_spec() {
  BootstrapSpec spec;
  spec.proxy = {"default", "web-1"};
  spec.service = "web";
  spec.metadata_json = R"({"version":{"envoy":{"version":"1.40.0"}}})";
  spec.admin_port = 9901;
  spec.control_plane_host = "cp.example";
  spec.ca_pem = "PEM";
  spec.token = Secret("a-token");
  return spec;
}

TEST(Bootstrap, LeadsToTheControlPlaneByName) {
  const auto json = build_bootstrap(usual_spec());

  ASSERT_TRUE(json.has_value()) << json.error().message();
  EXPECT_THAT(*json, HasSubstr(R"("id":"default.web-1","cluster":"web")"));
  EXPECT_THAT(*json, HasSubstr(R"("type":"STRICT_DNS")"));
  EXPECT_THAT(*json, HasSubstr(R"({"key":"authorization","value":"a-token"})"));
  EXPECT_THAT(*json, HasSubstr(R"("dataplane.admin.port":"9901")"));
  EXPECT_THAT(*json, HasSubstr(R"("apiType":"GRPC")"));
}

TEST(Bootstrap, TakesAnIpAddressAsItIs) {
  BootstrapSpec spec = usual_spec();
  spec.control_plane_host = "fd00::1";

  EXPECT_THAT(*build_bootstrap(spec), HasSubstr(R"("type":"STATIC")"));
}

TEST(Bootstrap, AsksForIncrementalDiscoveryButNotForIncrementalHealthChecks) {
  BootstrapSpec spec = usual_spec();
  spec.delta = true;

  EXPECT_THAT(*build_bootstrap(spec), HasSubstr(R"("adsConfig":{"apiType":"DELTA_GRPC")"));
  EXPECT_THAT(*build_bootstrap(spec), HasSubstr(R"("hdsConfig":{"apiType":"GRPC")"));
}

TEST(Bootstrap, ReadsATokenFileWithGooglesClientAndDoesNotContainTheToken) {
  BootstrapSpec spec = usual_spec();
  spec.token_path = "/run/token";

  EXPECT_THAT(*build_bootstrap(spec), HasSubstr("envoy.grpc_credentials.file_based_metadata"));
  EXPECT_THAT(*build_bootstrap(spec), Not(HasSubstr("a-token")));
}

TEST(Bootstrap, WithACarrierEnvoyHasAllItsStreamsOverASocketAndHoldsNoCredential) {
  BootstrapSpec spec = usual_spec();
  ASSERT_TRUE(build_bootstrap(spec).has_value());  // a form without a carrier is not taken for one with it
  spec.token_path = "/run/token";
  spec.delta = true;
  spec.discovery_socket = "/work/taskmesh-discovery.sock";

  const auto json = build_bootstrap(spec);

  ASSERT_TRUE(json.has_value()) << json.error().message();
  EXPECT_THAT(*json, HasSubstr(R"("address":{"pipe":{"path":"/work/taskmesh-discovery.sock"}})"));
  EXPECT_THAT(*json, HasSubstr(R"("adsConfig":{"apiType":"DELTA_GRPC")"));
  EXPECT_THAT(*json, HasSubstr(R"("hdsConfig":{"apiType":"GRPC")"));
  EXPECT_THAT(*json, HasSubstr(R"("envoyGrpc":{"clusterName":"ads_cluster")"));
  EXPECT_THAT(*json, HasSubstr(R"("retryBackOff":{"baseInterval":"0.500s","maxInterval":"5s"})"));
  EXPECT_THAT(*json, Not(AnyOf(HasSubstr("a-token"), HasSubstr("/run/token"), HasSubstr("cp.example"), HasSubstr("tls"),
                               HasSubstr("u0001"))));
  spec.discovery_socket = "/other/taskmesh-discovery.sock";
  EXPECT_THAT(*build_bootstrap(spec), HasSubstr("/other/taskmesh-discovery.sock"));
}

TEST(Bootstrap, GivesEachProxyWhatIsItsOwnAndWritesItAsJsonWants) {
  BootstrapSpec first = usual_spec();
  first.access_log_socket = "/tmp/first.sock";
  BootstrapSpec second = first;
  second.proxy.name = "web-2";
  second.service = "another \"web\"";
  second.token = Secret("its-token");
  second.access_log_socket = "/tmp/second\n.sock";
  second.features = {"feature-x"};

  ASSERT_TRUE(build_bootstrap(first).has_value());
  const auto json = build_bootstrap(second);

  ASSERT_TRUE(json.has_value()) << json.error().message();
  EXPECT_THAT(*json, HasSubstr(R"("id":"default.web-2","cluster":"another \"web\"")"));
  EXPECT_THAT(*json, HasSubstr(R"("path":"/tmp/second\n.sock")"));
  EXPECT_THAT(*json, HasSubstr(R"("metadata":{"version":{"envoy":{"version":"1.40.0"}},)"));
  EXPECT_THAT(*json, HasSubstr(R"("features":["feature-x"])"));
  EXPECT_THAT(*json, HasSubstr(R"({"key":"authorization","value":"its-token"})"));
  EXPECT_THAT(*json, Not(AnyOf(HasSubstr("web-1"), HasSubstr("a-token"), HasSubstr("first"), HasSubstr("u0001"))));
}

TEST(Bootstrap, RefusesMetadataThatIsNoObject) {
  BootstrapSpec spec = usual_spec();
  spec.metadata_json = "[1]";

  const auto json = build_bootstrap(spec);

  ASSERT_FALSE(json.has_value());
  EXPECT_EQ(json.error().where, "metadata");
}

}  // namespace
}  // namespace mesh::envoy
