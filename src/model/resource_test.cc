#include "model/resource.h"

#include <gmock/gmock.h>

#include "model/builtin.h"
#include "model/dataplane.h"
#include "model/insight.h"
#include "model/json.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "model/target_ref.h"
#include "model/yaml.h"
#include "model/zone.h"

namespace mesh {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct SampleSpec {
  std::optional<TargetRef> target_ref;
};
BOOST_DESCRIBE_STRUCT(SampleSpec, (), (target_ref))
struct SampleStatus {
  std::string state;
};
BOOST_DESCRIBE_STRUCT(SampleStatus, (), (state))

const Kind kSample =
    describe_kind<SampleSpec, SampleStatus>({.name = "Sample", .path = "samples", .short_name = "smp"});

KindRegistry registry() {
  KindRegistry kinds;
  add_builtin_kinds(kinds);
  kinds.add(kSample);
  return kinds;
}

Document parse(const char* yaml) {
  static const KindRegistry kinds = registry();
  const auto value = parse_yaml_document(yaml);
  auto document = parse_document(value.value(), kinds);
  if (!document) return {{}, {{document.error().where, document.error().text}}};
  return std::move(*document);
}

TEST(Resource, ADataplanePrintsWithLabelsKriAndFieldsInOrder) {
  const char* text =
      R"({"type":"Dataplane","mesh":"legacy","name":"web-1","creationTime":"2026-11-23T20:59:12.785276401Z",)"
      R"("modificationTime":"2026-11-23T20:59:12.785276401Z","labels":{"kuma.io/zone":"east"},)"
      R"("kri":"kri_dp_legacy_east__web-1_","networking":{"address":"10.0.0.4","inbound":[{"port":15000,)"
      R"("servicePort":5050,"tags":{"kuma.io/service":"web"}}],"outbound":[{"port":10001,)"
      R"("tags":{"kuma.io/service":"kv"}}]}})";

  const Document document = parse(text);

  EXPECT_THAT(document.violations, IsEmpty());
  EXPECT_EQ(document.resource.spec_as<Dataplane>().networking.inbound[0].service(), "web");
  EXPECT_EQ(print_json(to_json(document.resource)), text);
}

TEST(Resource, AMeshPrintsWhatIsSet) {
  const char* text =
      R"({"type":"Mesh","name":"m","creationTime":"2026-11-23T20:59:10Z","modificationTime":"2026-11-23T20:59:10Z",)"
      R"("kri":"kri_m____m_","mtls":{"enabledBackend":"ca-1","backends":[{"name":"ca-1","type":"builtin",)"
      R"("dpCert":{"rotation":{"expiration":"1d"}},"mode":"PERMISSIVE"}]},"networking":{"outbound":)"
      R"({"passthrough":false}},"meshServices":{"mode":"Exclusive"}})";

  const Document document = parse(text);

  EXPECT_THAT(document.violations, IsEmpty());
  EXPECT_EQ(document.resource.spec_as<Mesh>().enabled_ca()->name, "ca-1");
  EXPECT_EQ(print_json(to_json(document.resource)), text);
}

TEST(Resource, SpecAndStatusPrintUnderTheirNames) {
  const Document document =
      parse("{type: Sample, mesh: m, name: s, spec: {targetRef: {kind: Mesh}}, status: {state: fine}}");

  const auto json = to_json(document.resource);

  EXPECT_THAT(document.violations, IsEmpty());
  EXPECT_EQ(print_json(json.at("spec")), R"({"targetRef":{"kind":"Mesh"}})");
  EXPECT_EQ(print_json(json.at("status")), R"({"state":"fine"})");
}

TEST(Resource, AnUnknownKindAndAMissingTypeAreNamed) {
  EXPECT_THAT(parse("{type: Nope, name: x}").violations[0].reason, HasSubstr("\"Nope\" is not a kind"));
  EXPECT_THAT(parse("{name: x}").violations[0].field, "type");
  EXPECT_THAT(parse("[1]").violations, testing::SizeIs(1));
  EXPECT_THAT(parse("{type: Mesh, name: 1}").violations,
              ElementsAre(Violation{"name", "in body must be of type string, but is of type integer"}));
}

TEST(Resource, TimesThatMeanNothingAreNone) {
  const Document document =
      parse("{type: Mesh, name: m, creationTime: '0001-01-01T00:00:00Z', modificationTime: 5, kri: kri_m____m_}");
  EXPECT_THAT(document.violations, IsEmpty());
  EXPECT_EQ(document.resource.created, SystemTime{});
}

TEST(Resource, ViolationsOfASpecBeginWithSpec) {
  EXPECT_EQ(parse("{type: Sample, name: x, spec: {targetRef: {kind: X}}}").violations[0].field, "spec.targetRef.kind");
  EXPECT_EQ(parse("{type: Dataplane, name: x, networking: {inbound: [{port: -1}]}}").violations[0].field,
            "networking.inbound[0].port");
}

TEST(Resource, KindsWithoutShortNameHaveNoKri) {
  const Resource secret = secret_resource("m", "key", Secret("hello"));
  EXPECT_EQ(kri_of(secret), "");
  EXPECT_THAT(print_json(to_json(secret)), HasSubstr(R"("data":"aGVsbG8=")"));
  EXPECT_EQ(secret_value(secret)->reveal(), "hello");
}

TEST(Resource, AnInsightPrintsLongNumbersAsText) {
  DataplaneInsight insight;
  Subscription& subscription = insight.subscriptions.emplace_back();
  subscription.id = "1";
  subscription.status.total = DiscoveryStats{.responses_sent = 4};
  subscription.status.rds.emplace();
  insight.mtls.emplace().certificate_regenerations = 1;
  Resource resource;
  resource.key = {&kDataplaneInsightKind, "m", "d"};
  resource.spec = AnySpec::of(insight);

  const auto json = to_json(resource);

  EXPECT_EQ(print_json(json.at("subscriptions")), R"([{"id":"1","status":{"total":{"responsesSent":"4"},"rds":{}}}])");
  EXPECT_EQ(print_json(json.at("mTLS")), R"({"certificateRegenerations":1})");
}

TEST(KindRegistry, FindsKindsByNamePathAndAlias) {
  const KindRegistry kinds = registry();
  EXPECT_EQ(kinds.find_by_name("GlobalSecret"), &kGlobalSecretKind);
  EXPECT_EQ(kinds.find_by_path("global-secrets"), &kGlobalSecretKind);
  EXPECT_EQ(kinds.find_by_path("zones"), &kZoneKind);
  EXPECT_EQ(kinds.find_by_path("nope"), nullptr);
  EXPECT_EQ(kinds.all().front()->name, "Dataplane");
}

}  // namespace
}  // namespace mesh
