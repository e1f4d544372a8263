// What we read and write by hand, against the classes that are generated from Envoy's protos.
#include "ads/messages.h"

#include <envoy/service/discovery/v3/discovery.pb.h>
#include <gmock/gmock.h>

#include "ads/node.h"
#include "ads/wire_format.h"

namespace mesh {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using testing::ElementsAre;

envoy::config::core::v3::Node node() {
  envoy::config::core::v3::Node node;
  node.set_id("default.web-1");
  node.set_cluster("web");
  auto& fields = *node.mutable_metadata()->mutable_fields();
  fields["dataplane.admin.port"].set_string_value("9901");
  fields["ipv6Enabled"].set_bool_value(false);
  fields["features"].mutable_list_value()->add_values()->set_string_value("feature-a");
  (*fields["version"].mutable_struct_value()->mutable_fields())["n"].set_number_value(2.5);
  fields["nothing"].set_null_value(google::protobuf::NULL_VALUE);
  fields["quoted"].set_string_value("a \"b\"\n\x01 ü");
  auto* build = node.mutable_user_agent_build_version();
  build->mutable_version()->set_major_number(1);
  build->mutable_version()->set_minor_number(40);
  (*build->mutable_metadata()->mutable_fields())["revision.sha"].set_string_value("abc");
  (*build->mutable_metadata()->mutable_fields())["build.type"].set_string_value("RELEASE");
  (*build->mutable_metadata()->mutable_fields())["revision.status"].set_string_value("Clean");
  (*build->mutable_metadata()->mutable_fields())["ssl.version"].set_string_value("BoringSSL");
  for (int i = 0; i < 400; ++i) node.add_extensions()->set_name("envoy.filters.http.something_" + std::to_string(i));
  return node;
}

TEST(DiscoveryRequest, IsReadAsTheGeneratedClassesWroteIt) {
  DiscoveryRequest request;
  *request.mutable_node() = node();
  request.set_version_info("v1");
  request.set_type_url(type_url(XdsType::Endpoint));
  request.set_response_nonce("7");
  request.add_resource_names("a");
  request.add_resource_names("b");
  request.mutable_error_detail()->set_code(13);
  request.mutable_error_detail()->set_message("no good");

  const auto parsed = parse_sotw_request(request.SerializeAsString());

  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->type_url, type_url(XdsType::Endpoint));
  EXPECT_EQ(parsed->body.version, "v1");
  EXPECT_EQ(parsed->body.nonce, "7");
  EXPECT_THAT(parsed->body.names, ElementsAre("a", "b"));
  EXPECT_EQ(parsed->body.refusal, "no good");
  ASSERT_TRUE(parsed->node.has_value());
  EXPECT_EQ(parsed->node->id, (ProxyId{"default", "web-1"}));
  EXPECT_EQ(parsed->node->envoy_version, "1.40.0");
  EXPECT_EQ(parsed->node->envoy_build, "abc/1.40.0/Clean/RELEASE/BoringSSL");
  EXPECT_EQ(parsed->node->metadata_json,
            R"({"dataplane.admin.port":"9901","features":["feature-a"],"ipv6Enabled":false,"nothing":null,)"
            R"("quoted":"a \"b\"\n\u0001 ü","version":{"n":2.5}})");
}

TEST(DeltaDiscoveryRequest, IsReadAsTheGeneratedClassesWroteIt) {
  DeltaDiscoveryRequest request;
  *request.mutable_node() = node();
  request.set_type_url(type_url(XdsType::Cluster));
  request.set_response_nonce("7");
  request.add_resource_names_subscribe("a");
  request.add_resource_names_unsubscribe("b");
  (*request.mutable_initial_resource_versions())["c"] = "3";
  (*request.mutable_initial_resource_versions())["d"] = "";
  request.mutable_error_detail();

  const auto parsed = parse_delta_request(request.SerializeAsString());

  ASSERT_TRUE(parsed.has_value());
  EXPECT_TRUE(parsed->node.has_value());
  EXPECT_EQ(parsed->type_url, type_url(XdsType::Cluster));
  EXPECT_THAT(parsed->body.subscribe, ElementsAre("a"));
  EXPECT_THAT(parsed->body.unsubscribe, ElementsAre("b"));
  EXPECT_THAT(parsed->body.initial_versions, ElementsAre(std::pair<std::string, std::string>("c", "3")));
  EXPECT_EQ(parsed->body.nonce, "7");
  EXPECT_EQ(parsed->body.refusal, "no reason given");
}

Push push() {
  Push push{.type = static_cast<std::size_t>(XdsType::Cluster),
            .version = "v9",
            .nonce = "12",
            .resources = {},
            .removed = {}};
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{5000}}) {
    google::protobuf::Any any;
    any.set_type_url(type_url(XdsType::Cluster));
    any.set_value(std::string(size, 'x'));
    push.resources.push_back({make_named("r" + std::to_string(size), "1", make_bytes(any.SerializeAsString()))});
  }
  return push;
}
std::string joined(const std::vector<Bytes>& pieces) {
  std::string text;
  for (const auto& piece : pieces) text += *piece;
  return text;
}

TEST(DiscoveryResponse, IsReadByTheGeneratedClassesAsItWasMeant) {
  DiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(joined(make_sotw_response(push()))));
  EXPECT_EQ(response.version_info(), "v9");
  EXPECT_EQ(response.nonce(), "12");
  EXPECT_EQ(response.type_url(), type_url(XdsType::Cluster));
  ASSERT_EQ(response.resources_size(), 3);
  EXPECT_EQ(response.resources(2).value(), std::string(5000, 'x'));
  EXPECT_EQ(response.resources(2).type_url(), type_url(XdsType::Cluster));
}

TEST(DeltaDiscoveryResponse, IsReadByTheGeneratedClassesAsItWasMeant) {
  Push content = push();
  content.removed = {"gone", "lost"};
  DeltaDiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(joined(make_delta_response(content))));
  EXPECT_EQ(response.system_version_info(), "v9");
  EXPECT_EQ(response.nonce(), "12");
  EXPECT_EQ(response.type_url(), type_url(XdsType::Cluster));
  ASSERT_EQ(response.resources_size(), 3);
  EXPECT_EQ(response.resources(0).name(), "r0");
  EXPECT_EQ(response.resources(2).version(), "1");
  EXPECT_EQ(response.resources(2).resource().value(), std::string(5000, 'x'));
  EXPECT_THAT(response.removed_resources(), ElementsAre("gone", "lost"));
}

TEST(DiscoveryResponse, SendsLargeBodiesAsTheyAre) {
  const Push content = push();
  for (const auto& pieces : {make_sotw_response(content), make_delta_response(content)}) {
    EXPECT_THAT(pieces, testing::Contains(content.resources[2].body()));
  }
}

TEST(DiscoveryResponse, KeepsTheOrderOfSmallAndLargeBodies) {
  Push content = push();
  content.resources.clear();
  for (const std::size_t size : {5000UL, 1UL, 6000UL, 7000UL, 2UL, 3UL}) {
    google::protobuf::Any any;
    any.set_value(std::string(size, 'x'));
    content.resources.push_back(
        {make_named("r" + std::to_string(size), "1", make_bytes(any.SerializeAsString())), make_named("parent", "c7")});
  }
  DeltaDiscoveryResponse delta;
  ASSERT_TRUE(delta.ParseFromString(joined(make_delta_response(content))));
  DiscoveryResponse whole;
  ASSERT_TRUE(whole.ParseFromString(joined(make_sotw_response(content))));
  ASSERT_EQ(delta.resources_size(), 6);
  ASSERT_EQ(whole.resources_size(), 6);
  for (int i = 0; i < 6; ++i) {
    const std::string& value = delta.resources(i).resource().value();
    EXPECT_EQ(delta.resources(i).name(), "r" + std::to_string(value.size()));
    EXPECT_EQ(delta.resources(i).name(), content.resources[static_cast<std::size_t>(i)].name());
    EXPECT_EQ(delta.resources(i).version(), "1/c7");
    EXPECT_EQ(whole.resources(i).value(), value);
  }
}

TEST(DiscoveryRequest, ThatIsGarbageIsRefused) {
  DeltaDiscoveryRequest request;
  *request.mutable_node() = node();
  request.set_type_url("x");
  const std::string good = request.SerializeAsString();
  EXPECT_TRUE(parse_delta_request(good).has_value());
  EXPECT_FALSE(parse_delta_request(good.substr(0, good.size() - 1)).has_value());
  EXPECT_FALSE(parse_sotw_request("\xff\xff\xff").has_value());
  EXPECT_FALSE(parse_sotw_request("hello, world").has_value());
  EXPECT_FALSE(parse_delta_request("\x12\x02\xc3\x28").has_value());  // a type URL that is no UTF-8
}

TEST(NodeId, IsMeshAndName) {
  EXPECT_EQ(*parse_node_id("default.web-1"), (ProxyId{"default", "web-1"}));
  EXPECT_EQ(*parse_node_id("default.web.1"), (ProxyId{"default", "web.1"}));
  EXPECT_EQ(*parse_node_id(".ingress"), (ProxyId{"", "ingress"}));
  for (const char* bad : {"", "web", "default.", "default.we b", "default.web\n", "default./etc"}) {
    EXPECT_FALSE(parse_node_id(bad).has_value()) << bad;
  }
  EXPECT_FALSE(parse_node_id("a." + std::string(1000, 'b')).has_value());
}

TEST(NodeMetadata, ThatIsTooDeepIsRefused) {
  google::protobuf::Value value;
  value.set_string_value("bottom");
  for (int i = 0; i < 100; ++i) {
    google::protobuf::Value outer;
    *(*outer.mutable_struct_value()->mutable_fields())["x"].mutable_struct_value() = {};
    (*outer.mutable_struct_value()->mutable_fields())["x"] = value;
    value = outer;
  }
  EXPECT_FALSE(struct_to_json(value.struct_value().SerializeAsString()).has_value());
}

TEST(NodeMetadata, ThatIsTooLargeIsRefused) {
  google::protobuf::Struct data;
  (*data.mutable_fields())["x"].set_string_value(std::string(2 << 20, 'x'));
  EXPECT_FALSE(struct_to_json(data.SerializeAsString()).has_value());
}

TEST(Utf8, IsTakenAndOtherBytesAreNot) {
  for (const char* good : {"", "abc", "ü", "€", "😀"}) EXPECT_TRUE(pb::is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"})
    EXPECT_FALSE(pb::is_utf8(bad));
}

}  // namespace
}  // namespace mesh
