#include "identity/aws_rules.h"

#include <gmock/gmock.h>

namespace mesh {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ProxyClaims kv(std::set<std::string> services = {"kv"}) {
  return {.type = "dataplane", .mesh = "default", .name = "kv-1", .services = std::move(services), .workload = {}};
}
ProxyClaims zone_proxy(const std::string& type) {
  return {.type = type, .mesh = {}, .name = "zone-1", .services = {}, .workload = {}};
}

std::string refusal(const RoleTags& tags, const ProxyClaims& claims) {
  const Status status = check_role_tags(tags, claims, "\"r\" of account 1");
  if (status) return "allowed";
  EXPECT_EQ(status.error().kind, ErrorKind::Denied);
  return status.error().message();
}

const RoleTags kTags = {{"kuma.io/type", "dataplane"}, {"kuma.io/mesh", "default"}};
RoleTags with(RoleTags tags, const std::string& key, const std::string& value) {
  tags[key] = value;
  return tags;
}

TEST(RoleTags, OfTypeAndMeshAllowAnyServiceOfThatMesh) {
  EXPECT_EQ(refusal(kTags, kv()), "allowed");
  EXPECT_EQ(refusal(kTags, kv({"kv", "other"})), "allowed");
  EXPECT_EQ(refusal(kTags, kv({})), "allowed");
}

TEST(RoleTags, OfAServiceAllowThatOneAlone) {
  EXPECT_EQ(refusal(with(kTags, "kuma.io/service", "kv"), kv()), "allowed");
  EXPECT_THAT(refusal(with(kTags, "kuma.io/service", "kv"), kv({"kv", "db"})), HasSubstr("claims service \"db\""));
  EXPECT_THAT(refusal(with(kTags, "kuma.io/service", "kv"), kv({})), HasSubstr("has no service"));
}

TEST(RoleTags, MayNameSeveralServicesWithASpaceBetween) {
  const RoleTags tags = with(kTags, "kuma.io/service", "kv db");
  EXPECT_EQ(refusal(tags, kv({"kv"})), "allowed");
  EXPECT_EQ(refusal(tags, kv({"kv", "db"})), "allowed");
  EXPECT_THAT(refusal(tags, kv({"kv db"})), HasSubstr("claims service \"kv db\""));
  for (const char* value : {"", " ", "kv ", " kv", "kv  db"}) {
    EXPECT_THAT(refusal(with(kTags, "kuma.io/service", value), kv()), HasSubstr("one space between")) << value;
  }
  for (const char* value : {"*", "kv,db", "KV", "kv.", "k"}) {
    EXPECT_THAT(refusal(with(kTags, "kuma.io/service", value), kv()), HasSubstr("claims service \"kv\"")) << value;
  }
}

TEST(RoleTags, MustSayTypeAndMesh) {
  EXPECT_THAT(refusal({}, kv()),
              AllOf(HasSubstr("no tag kuma.io/type"), HasSubstr("no tag kuma.io/mesh"), HasSubstr("no kuma.io/ tags")));
  EXPECT_THAT(refusal({{"kuma.io/mesh", "default"}}, kv()), HasSubstr("no tag kuma.io/type"));
  EXPECT_THAT(refusal({{"kuma.io/type", "dataplane"}}, kv()), HasSubstr("no tag kuma.io/mesh"));
}

TEST(RoleTags, AreComparedAsTheyAreWritten) {
  for (const char* mesh : {"Default", "default ", " default", "defaul", "default2", ""}) {
    EXPECT_THAT(refusal(with(kTags, "kuma.io/mesh", mesh), kv()), HasSubstr("must be \"default\"")) << mesh;
  }
  for (const char* type : {"Dataplane", "dataplane ", "ingress", "egress", "", "dataplane ingress"}) {
    EXPECT_THAT(refusal(with(kTags, "kuma.io/type", type), kv()), HasSubstr("must be \"dataplane\"")) << type;
  }
  const RoleTags look_alike = {{"Kuma.io/type", "dataplane"}, {"kuma.io/mesh ", "default"}};
  EXPECT_THAT(refusal(look_alike, kv()),
              AllOf(HasSubstr("\"Kuma.io/type\" is another tag"), HasSubstr("\"kuma.io/mesh \" is another tag")));
}

TEST(RoleTags, OfZoneProxiesNeedNoMeshAndAreGoodForNothingElse) {
  for (const char* type : {"ingress", "egress"}) {
    EXPECT_EQ(refusal({{"kuma.io/type", type}}, zone_proxy(type)), "allowed");
    EXPECT_THAT(refusal({{"kuma.io/type", type}, {"kuma.io/mesh", "default"}}, kv()),
                HasSubstr("must be \"dataplane\""));
    EXPECT_THAT(refusal(kTags, zone_proxy(type)), HasSubstr("kuma.io/type"));
  }
  EXPECT_THAT(refusal({{"kuma.io/type", "ingress"}}, zone_proxy("egress")), HasSubstr("must be \"egress\""));
}

TEST(RoleTags, OfAWorkloadMustBeTheLabelOfTheDataplane) {
  ProxyClaims claims = kv();
  EXPECT_THAT(refusal(with(kTags, "kuma.io/workload", "shop"), claims), HasSubstr("kuma.io/workload"));
  claims.workload = "shop";
  EXPECT_EQ(refusal(with(kTags, "kuma.io/workload", "shop"), claims), "allowed");
  EXPECT_EQ(refusal(kTags, claims), "allowed");
}

TEST(RoleTags, OfOthersAreNotShown) {
  EXPECT_THAT(refusal({{"cost-center", "secret"}}, kv()), Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace mesh
