#include "model/rules.h"

#include <gmock/gmock.h>

#include "model/dataplane.h"
#include "model/mesh.h"
#include "model/yaml.h"

namespace mesh {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

// The fields that are refused, in the order in which they are found.
std::vector<std::string> refused(const Kind& kind, const std::string& yaml) {
  const auto json = parse_yaml_document(yaml);
  EXPECT_TRUE(json.has_value()) << yaml;
  Violations violations;
  const AnySpec spec = kind.parse(*json, violations);
  if (violations.empty()) kind.validate(spec, violations);
  std::vector<std::string> fields;
  for (const Violation& violation : violations) fields.push_back(violation.field);
  return fields;
}

struct Row {
  const char* yaml;
  std::vector<std::string> fields;
};

TEST(DataplaneRules, NameTheFieldsThatAreWrong) {
  const Row rows[] = {
      {"networking: {address: 10.0.0.1, inbound: [{port: 80, tags: {kuma.io/service: web}}], outbound: [{port: 1, "
       "tags: {kuma.io/service: kv}}]}",
       {}},
      {"networking: {address: host_1.example, inbound: [{port: 80, protocol: HTTP, tags: {kuma.io/service: web}}]}",
       {}},
      {"{}", {"networking"}},
      {"networking: {}", {"networking.address"}},
      {"networking: {address: 'not valid', inbound: [{port: 0, tags: {kuma.io/service: web}}]}",
       {"networking.address", "networking.inbound[0].port"}},
      {"networking: {address: 0.0.0.0}", {"networking.address"}},
      {"networking: {address: 10.0.0.1, advertisedAddress: '?'}", {"networking.advertisedAddress"}},
      {"networking: {address: a, inbound: [{port: 70000, servicePort: 70000, tags: {kuma.io/service: web}}]}",
       {"networking.inbound[0].port", "networking.inbound[0].servicePort"}},
      {"networking: {address: a, inbound: [{port: 1, tags: {version: '1'}}]}",
       {"networking.inbound[0].tags[\"kuma.io/service\"]"}},
      {"networking: {address: a, inbound: [{port: 1, tags: {kuma.io/zone: east}}]}", {}},
      {"networking: {address: a, inbound: [{port: 1, tags: {kuma.io/service: w, kuma.io/protocol: nope}}]}",
       {"networking.inbound[0].tags[\"kuma.io/protocol\"]"}},
      {"networking: {address: a, inbound: [{port: 1, protocol: nope, tags: {kuma.io/service: w}}]}",
       {"networking.inbound[0].protocol"}},
      {"networking: {address: a, inbound: [{port: 1, tags: {kuma.io/service: 'a b', 'x y': z, e: ''}}]}",
       {"networking.inbound[0].tags[\"e\"]", "networking.inbound[0].tags[\"kuma.io/service\"]",
        "networking.inbound[0].tags[\"x y\"]"}},
      {"networking: {address: a, inbound: [{port: 1, serviceAddress: x, address: z, tags: {kuma.io/service: w}}]}",
       {"networking.inbound[0].serviceAddress", "networking.inbound[0].address"}},
      {"networking: {address: 10.0.0.1, inbound: [{port: 1, serviceAddress: 10.0.0.1, tags: {kuma.io/service: w}}]}",
       {"networking.inbound[0].serviceAddress"}},
      {"networking: {address: 10.0.0.1, inbound: [{port: 1, servicePort: 2, serviceAddress: 10.0.0.1, tags: "
       "{kuma.io/service: w}}]}",
       {}},
      {"networking: {address: a, inbound: [{port: 1, serviceProbe: {interval: 0s, healthyThreshold: 0, tcp: {}}, tags: "
       "{kuma.io/service: w}}]}",
       {"networking.inbound[0].serviceProbe.interval", "networking.inbound[0].serviceProbe.healthyThreshold"}},
      {"networking: {address: a, outbound: [{port: 0, address: x}]}",
       {"networking.outbound[0].port", "networking.outbound[0].address", "networking.outbound[0].tags"}},
      {"networking: {address: a, outbound: [{port: 1, tags: {version: v1}}]}", {"networking.outbound[0].tags"}},
      {"networking: {address: a, outbound: [{port: 1, backendRef: {kind: MeshService, name: x, port: 80}}]}", {}},
      {"networking: {address: a, outbound: [{port: 1, tags: {kuma.io/service: x}, backendRef: {kind: Nope}}]}",
       {"networking.outbound[0].backendRef.kind", "networking.outbound[0].backendRef",
        "networking.outbound[0].backendRef.port", "networking.outbound[0].backendRef"}},
      {"networking: {address: a, gateway: {tags: {kuma.io/service: gw}}, outbound: [{port: 1, tags: {kuma.io/service: "
       "kv}}]}",
       {}},
      {"networking: {address: a, gateway: {tags: {x: z, kuma.io/protocol: http}}, inbound: [{port: 1, tags: "
       "{kuma.io/service: w}}]}",
       {"networking.inbound", "networking.gateway.tags[\"kuma.io/protocol\"]", "networking.gateway.tags"}},
      {"networking: {address: 127.0.0.1, admin: {port: 9901}, inbound: [{port: 9901, tags: {kuma.io/service: w}}]}",
       {"networking.admin.port"}},
      {"networking: {address: a, admin: {port: 7}, outbound: [{port: 7, tags: {kuma.io/service: w}}]}",
       {"networking.admin.port"}},
      {"networking: {address: a, listeners: [{address: 10.0.0.1, port: 1}, {type: ZoneEgress, address: 10.0.0.1, port: "
       "1}]}",
       {"networking.listeners[0].type", "networking.listeners[1]"}},
  };
  for (const Row& row : rows) EXPECT_EQ(refused(kDataplaneKind, row.yaml), row.fields) << row.yaml;
}

TEST(MeshRules, NameTheFieldsThatAreWrong) {
  const Row rows[] = {
      {"{}", {}},
      {"mtls: {enabledBackend: a, backends: [{name: a, type: builtin, dpCert: {rotation: {expiration: 30d}}}]}", {}},
      {"mtls: {enabledBackend: b, backends: [{name: a, type: builtin}]}", {"mtls.enabledBackend"}},
      {"mtls: {backends: [{name: a, type: builtin}, {name: a, type: builtin}]}",
       {"mtls.backends", "mtls.backends[1].name"}},
      {"mtls: {backends: [{name: a, type: vault}]}", {"mtls.backends[0].type"}},
      {"mtls: {backends: [{name: A b, type: builtin}]}", {"mtls.backends[0].name"}},
      {"mtls: {backends: [{name: a, type: builtin, dpCert: {rotation: {expiration: soon}}}]}",
       {"mtls.dpcert.rotation.expiration"}},
      {"mtls: {backends: [{name: a, type: builtin, mode: LOOSE}]}", {"mtls.backends[0].mode"}},
      {"constraints: {dataplaneProxy: {requirements: [{tags: {}}], restrictions: [{tags: {a: '*'}}]}}",
       {"constraints.dataplaneProxy.requirements[0].tags"}},
      {"routing: {zoneEgress: true}", {"mtls"}},
      {"metrics: {enabledBackend: x, backends: [{name: b, type: prometheus}, {name: b}]}",
       {"metrics.backends[1].name", "metrics.backends[1].type", "metrics.enabledBackend"}},
      {"meshServices: {mode: Exclusive}", {}},
  };
  for (const Row& row : rows) EXPECT_EQ(refused(kMeshKind, row.yaml), row.fields) << row.yaml;
}

TEST(NameRules, ANameIsAnRfc1123Subdomain) {
  for (const char* name : {"a", "a-b.c1", "1"}) {
    Violations violations;
    check_name(name, "name", violations);
    EXPECT_THAT(violations, IsEmpty()) << name;
  }
  for (const char* name : {"", "A", "a_b", "-a", "a-", "a..b", ".", "a b"}) {
    Violations violations;
    check_name(name, "name", violations);
    EXPECT_EQ(violations.size(), 1u) << name;
  }
}

TEST(LabelRules, TakeQualifiedNamesAndShortValues) {
  Violations violations;
  check_labels({{"kuma.io/zone", "east"}, {"a", ""}, {"/x", "y"}, {"b/", "c"}, {"d", "-"}, {std::string(64, 'x'), "y"}},
               violations);
  std::vector<std::string> fields;
  for (const Violation& violation : violations) fields.push_back(violation.field);
  EXPECT_THAT(fields,
              UnorderedElementsAreArray({std::string("labels[\"/x\"]"), std::string("labels[\"b/\"]"),
                                         std::string("labels[\"d\"]"), "labels[\"" + std::string(64, 'x') + "\"]"}));
}

TEST(LifetimeRules, ReadOneNumberAndOneUnit) {
  using namespace std::chrono_literals;
  EXPECT_EQ(parse_lifetime("30d").value(), 720h);
  EXPECT_EQ(parse_lifetime("0").value(), 0s);
  EXPECT_EQ(parse_lifetime("5ms").value(), 5ms);
  for (const char* text : {"", "1", "d", "-1d", "1h30m", "1.5h", "999999999999y"})
    EXPECT_FALSE(parse_lifetime(text)) << text;
}

}  // namespace
}  // namespace mesh
