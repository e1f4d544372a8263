#include "model/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/builtin.h"
#include "model/json.h"

namespace mesh {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Where a document is wrong: of its reading, and when that is fine, of its checks.
std::vector<std::string> faults(const std::string& kind, const std::string& spec) {
  KindRegistry kinds;
  add_builtin_kinds(kinds);
  const Kind& of = *kinds.find_by_name(kind);
  std::vector<Violation> violations;
  const AnySpec parsed = of.parse(parse_json(spec).value(), violations);
  if (violations.empty()) of.validate(parsed, violations);
  std::vector<std::string> fields;
  for (const Violation& violation : violations) fields.push_back(violation.field);
  return fields;
}

TEST(HostnameGenerators, HaveOneSelectorAndATemplateThatRenders) {
  EXPECT_THAT(faults("HostnameGenerator", R"({"selector":{"meshService":{}},"template":"{{ .Name }}.mesh"})"),
              IsEmpty());
  EXPECT_THAT(faults("HostnameGenerator", R"({})"), ElementsAre("spec.template"));
  EXPECT_THAT(
      faults("HostnameGenerator", R"({"selector":{"meshService":{},"meshExternalService":{}},"template":".x"})"),
      ElementsAre("spec.selector", "spec.template"));
}

TEST(HostnameGenerators, ForRoute53NameTheirHostedZones) {
  const auto with = [](const std::string& extension) {
    return faults("HostnameGenerator",
                  R"({"selector":{"meshService":{}},"template":"{{ .Name }}.mesh","extension":)" + extension + "}");
  };
  EXPECT_THAT(with(R"({"type":"Route53","config":{"hostedZoneId":"Z1"}})"), IsEmpty());
  EXPECT_THAT(with(R"({"type":"Route53","config":{"hostedZones":[{"name":"a","hostedZoneId":"Z1"}]}})"), IsEmpty());
  EXPECT_THAT(with(R"({"type":"Route53"})"), ElementsAre("spec.extension.config.hostedZoneId"));
  EXPECT_THAT(
      with(R"({"type":"Route53","config":{"hostedZones":[{"name":"a"},{}]}})"),
      ElementsAre("spec.extension.config.hostedZones[0].hostedZoneId", "spec.extension.config.hostedZones[1].name",
                  "spec.extension.config.hostedZones[1].hostedZoneId"));
  EXPECT_THAT(with(R"({"type":"Other","config":5})"), IsEmpty());
  EXPECT_THAT(with(R"({"type":""})"), ElementsAre("spec.extension.type"));
}

TEST(HostnameGenerators, GiveEachZoneItsHostedZone) {
  HostnameGenerator generator;
  EXPECT_EQ(hosted_zone_of(generator, "a"), "");
  generator.extension = Extension{"Route53", parse_json(R"({"hostedZoneId":"Z9"})").value()};
  EXPECT_EQ(hosted_zone_of(generator, "a"), "Z9");
  generator.extension->config = parse_json(R"({"hostedZones":[{"name":"a","hostedZoneId":"Z1"}]})").value();
  EXPECT_EQ(hosted_zone_of(generator, "a"), "Z1");
  EXPECT_EQ(hosted_zone_of(generator, "b"), "");
}

TEST(MeshServices, SelectInOneWay) {
  EXPECT_THAT(faults("MeshService", R"({"selector":{"dataplaneTags":{"a":"b"},"dataplaneRef":{"name":"x"}}})"),
              ElementsAre("spec.selector"));
  EXPECT_THAT(faults("MeshService", R"({"ports":[{"port":80,"targetPort":"main"},{"port":81,"targetPort":81}]})"),
              IsEmpty());
  EXPECT_THAT(faults("MeshService", R"({"ports":[{"port":80,"targetPort":true}]})"),
              ElementsAre("spec.ports[0].targetPort"));
}

TEST(MeshMultiZoneServices, HaveLabelsAndPorts) {
  EXPECT_THAT(faults("MeshMultiZoneService", R"({"selector":{"meshService":{}},"ports":[]})"),
              ElementsAre("spec.selector.meshService.matchLabels", "spec.ports"));
  EXPECT_THAT(
      faults(
          "MeshMultiZoneService",
          R"({"selector":{"meshService":{"matchLabels":{"a":"b"}}},"ports":[{"port":1,"name":"","appProtocol":"x"}]})"),
      ElementsAre("spec.ports[0].name", "spec.ports[0].appProtocol"));
}

TEST(MeshExternalServices, AreCheckedUnlessAnExtensionDoes) {
  EXPECT_THAT(faults("MeshExternalService", R"({"match":{"port":80},"endpoints":[{"address":"a b","port":80}],
                     "tls":{"version":{"min":"TLS13","max":"TLS12"},"verification":{"serverName":"a b","clientCert":{"secret":"s"}}}})"),
              UnorderedElementsAre("spec.endpoints[0].address", "spec.tls.version.min",
                                   "spec.tls.verification.serverName", "spec.tls.verification.clientKey"));
  EXPECT_THAT(faults("MeshExternalService",
                     R"({"match":{"port":80},"extension":{"type":"x"},"endpoints":[{"address":"a b","port":80}]})"),
              IsEmpty());
  EXPECT_THAT(faults("MeshExternalService", R"({"match":{"port":0,"protocol":"udp"}})"),
              ElementsAre("spec.match.port", "spec.match.protocol"));
}

TEST(Services, ShowTheServerNameOfEachPort) {
  MeshService spec;
  spec.ports.push_back({.name = "main", .port = 81, .target_port = nullptr});
  spec.ports.push_back({.name = {}, .port = 80, .target_port = nullptr});
  Resource service;
  service.key = {&kMeshServiceKind, "prod", "kv"};
  service.labels["kuma.io/zone"] = "east";
  service.spec = AnySpec::of(spec);
  EXPECT_EQ(print_json(to_json(service).at("snis")),
            R"([{"port":80,"sni":"sni.msvc.prod.east.kv.80"},{"port":81,"sni":"sni.msvc.prod.east.kv.main"}])");
}

TEST(Services, ByTagsNeedThemOnOneInbound) {
  Dataplane dataplane;
  dataplane.networking.inbound.resize(2);
  dataplane.networking.inbound[0].tags = {{"a", "1"}};
  dataplane.networking.inbound[1].tags = {{"b", "2"}};
  Resource resource;
  resource.key = {&kDataplaneKind, "prod", "web-1"};
  resource.labels = {{"team", "x"}};
  resource.spec = AnySpec::of(dataplane);
  const auto selects = [&](auto set) {
    ServiceSelector selector;
    set(selector);
    return selector.selects(resource);
  };
  EXPECT_TRUE(selects([](ServiceSelector& by) { by.dataplane_tags = Tags{{"a", "1"}}; }));
  EXPECT_FALSE(selects([](ServiceSelector& by) { by.dataplane_tags = Tags{{"a", "1"}, {"b", "2"}}; }));
  EXPECT_TRUE(selects([](ServiceSelector& by) { by.dataplane_ref = DataplaneRef{"web-1"}; }));
  EXPECT_TRUE(selects([](ServiceSelector& by) { by.dataplane_labels = LabelSelector{{{"team", "x"}}}; }));
  EXPECT_FALSE(ServiceSelector{}.selects(resource));
}

}  // namespace
}  // namespace mesh
