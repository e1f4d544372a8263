#include "policies/meshtimeout/mesh_timeout.h"

#include <boost/json.hpp>
#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

// A proxy "web" with an outbound over HTTP and one over TCP, and the draft that the builder would hand over.
struct Fixture {
  MeshSnapshot snapshot;
  Resource dataplane;
  envoy::ResourceSet draft;
  envoy::ListenerDraft* http_listener = nullptr;
  envoy::ListenerDraft* tcp_listener = nullptr;
  envoy::ClusterDraft* http_cluster = nullptr;

  Fixture() {
    Dataplane spec;
    spec.networking.inbound.emplace_back().tags = {{kServiceTag, "web"}};
    dataplane.key = {&kDataplaneKind, "default", "web-1"};
    dataplane.spec = AnySpec::of(spec);
    auto* http = draft.make<envoy::proto::HttpConnectionManager>();
    http->mutable_route_config()->add_virtual_hosts()->add_routes()->mutable_route()->set_cluster("kv");
    http_listener = &draft.add_listener({.role = envoy::Role::Outbound,
                                         .service = "kv",
                                         .protocol = envoy::Protocol::Http,
                                         .shell = draft.make<envoy::proto::Listener>(),
                                         .chains = {{.shell = draft.make<envoy::proto::FilterChain>(), .http = http}}});
    tcp_listener = &draft.add_listener(
        {.role = envoy::Role::Outbound,
         .service = "db",
         .shell = draft.make<envoy::proto::Listener>(),
         .chains = {{.shell = draft.make<envoy::proto::FilterChain>(), .tcp = draft.make<envoy::proto::TcpProxy>()}}});
    http_cluster = &draft.add_cluster({.role = envoy::Role::Outbound,
                                       .service = "kv",
                                       .protocol = envoy::Protocol::Http,
                                       .shell = draft.make<envoy::proto::Cluster>()});
  }
  void add(const std::string& name, const std::string& spec) {
    auto resource = std::make_shared<Resource>();
    resource->key = {&kMeshTimeoutKind, "default", name};
    std::vector<Violation> violations;
    resource->spec = kMeshTimeoutKind.parse(boost::json::parse(spec), violations);
    ASSERT_THAT(violations, IsEmpty());
    auto& list = snapshot.policies[&kMeshTimeoutKind];
    auto longer = list ? *list : std::vector<SharedResource>();
    longer.push_back(resource);
    list = std::make_shared<const std::vector<SharedResource>>(std::move(longer));
  }
  void apply() { mesh_timeout_policy().apply({snapshot, dataplane, dataplane.spec_as<Dataplane>()}, draft); }
  const auto& route() const { return http_listener->chains[0].http->route_config().virtual_hosts(0).routes(0).route(); }
};

TEST(MeshTimeoutPolicy, GivesTheDocumentedDefaultsWhenNothingIsSaid) {
  Fixture f;
  f.apply();

  EXPECT_EQ(f.route().timeout().seconds(), 15);
  EXPECT_EQ(f.route().idle_timeout().seconds(), 1800);
  EXPECT_EQ(f.http_cluster->shell->connect_timeout().seconds(), 5);
  EXPECT_EQ(f.http_cluster->http->common_http_protocol_options().idle_timeout().seconds(), 3600);
  EXPECT_EQ(f.tcp_listener->chains[0].tcp->idle_timeout().seconds(), 3600);
}

TEST(MeshTimeoutPolicy, ChangesOnlyTheServiceThatItNames) {
  Fixture f;
  f.add(
      "p",
      R"({"to": [{"targetRef": {"kind": "MeshService", "name": "kv"}, "default": {"connectionTimeout": "200ms", "idleTimeout": "1s"}}]})");
  f.apply();

  EXPECT_EQ(f.http_cluster->shell->connect_timeout().nanos(), 200'000'000);
  EXPECT_EQ(f.http_cluster->http->common_http_protocol_options().idle_timeout().seconds(), 1);
  EXPECT_EQ(f.tcp_listener->chains[0].tcp->idle_timeout().seconds(), 3600);
}

TEST(MeshTimeoutPolicy, OfTwoEqualPoliciesTheOneWithTheSmallerNameCounts) {
  Fixture f;
  f.add("a", R"({"to": [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "1s"}}}]})");
  f.add(
      "b",
      R"({"to": [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "2s", "streamIdleTimeout": "3s"}}}]})");
  f.apply();

  EXPECT_EQ(f.route().timeout().seconds(), 1);
  EXPECT_EQ(f.route().idle_timeout().seconds(), 3);
}

TEST(MeshTimeoutPolicy, OnlyTriedOutChangesNothing) {
  Fixture f;
  f.add("a", R"({"to": [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "1s"}}}]})");
  auto shadow = std::make_shared<Resource>(*f.snapshot.policies[&kMeshTimeoutKind]->front());
  shadow->labels["kuma.io/effect"] = "shadow";
  f.snapshot.policies[&kMeshTimeoutKind] =
      std::make_shared<const std::vector<SharedResource>>(std::vector<SharedResource>{shadow});
  f.apply();

  EXPECT_EQ(f.route().timeout().seconds(), 15);
}

std::vector<std::string> wrong_fields(const std::string& spec) {
  std::vector<Violation> violations;
  const AnySpec parsed = kMeshTimeoutKind.parse(boost::json::parse(spec), violations);
  if (violations.empty()) kMeshTimeoutKind.validate(parsed, violations);
  std::vector<std::string> fields;
  for (const auto& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(Validation, NamesTheFields) {
  EXPECT_THAT(wrong_fields("{}"), ElementsAre("spec"));
  EXPECT_THAT(
      wrong_fields(
          R"({"to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "0s", "idleTimeout": "-1s"}}]})"),
      ElementsAre("spec.to[0].default.connectionTimeout", "spec.to[0].default.idleTimeout"));
  EXPECT_THAT(wrong_fields(R"({"to": [{"targetRef": {"kind": "Mesh"}, "default": {}}]})"),
              ElementsAre("spec.to[0].default"));
  EXPECT_THAT(
      wrong_fields(R"({"to": [{"targetRef": {"kind": "Mesh"}, "default": {"http": {"requestTimeout": "-1s"}}}]})"),
      ElementsAre("spec.to[0].default.http.requestTimeout"));
  EXPECT_THAT(
      wrong_fields(
          R"({"from": [{"targetRef": {"kind": "MeshService", "name": "x"}, "default": {"idleTimeout": "1s"}}]})"),
      ElementsAre("spec.from[0].targetRef.kind"));
  EXPECT_THAT(
      wrong_fields(
          R"({"rules": [{"default": {"idleTimeout": "1s"}}], "to": [{"targetRef": {"kind": "Mesh"}, "default": {"idleTimeout": "1s"}}]})"),
      ElementsAre("spec"));
  EXPECT_THAT(wrong_fields(R"({"rules": [{"matches": [{"spiffeID": {"type": "Exact", "value": "spiffe://m/a"}}],
                                          "default": {"idleTimeout": "1s", "http": {"requestTimeout": "1s"}}}]})"),
              ElementsAre("spec.rules[0].default.idleTimeout"));
  EXPECT_THAT(wrong_fields(R"({"rules": [{"matches": [{}], "default": {"http": {"requestTimeout": "1s"}}}]})"),
              ElementsAre("spec.rules[0].matches[0]"));
}

TEST(Defaults, OfANewMeshAreOneForSidecarsAndOneForGateways) {
  const auto defaults = default_mesh_timeouts("legacy");

  ASSERT_EQ(defaults.size(), 2U);
  EXPECT_EQ(defaults[0].key.name, "mesh-gateways-timeout-all-legacy");
  EXPECT_EQ(defaults[1].key.name, "mesh-timeout-all-legacy");
  EXPECT_EQ(kMeshTimeoutKind.print(defaults[1].spec), boost::json::parse(R"({
    "targetRef": {"kind": "Mesh", "proxyTypes": ["Sidecar"]},
    "to": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "5s", "idleTimeout": "1h0m0s",
            "http": {"requestTimeout": "15s", "streamIdleTimeout": "30m0s"}}}],
    "from": [{"targetRef": {"kind": "Mesh"}, "default": {"connectionTimeout": "10s", "idleTimeout": "2h0m0s",
              "http": {"requestTimeout": "0s", "streamIdleTimeout": "1h0m0s", "maxStreamDuration": "0s"}}}]})"));
  for (const auto& resource : defaults) {
    std::vector<Violation> violations;
    kMeshTimeoutKind.validate(resource.spec, violations);
    EXPECT_THAT(violations, IsEmpty());
  }
}

}  // namespace
}  // namespace mesh
