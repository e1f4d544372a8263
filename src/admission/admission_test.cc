#include "admission/admission.h"

#include <gmock/gmock.h>

#include "admission/bootstrap_defaults.h"
#include "admission/labels.h"
#include "identity/certificates.h"
#include "model/builtin.h"
#include "model/dataplane.h"
#include "model/hostname_generator.h"
#include "model/insight.h"
#include "model/json.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "model/yaml.h"
#include "model/zone.h"
#include "store/memory/memory_store.h"
#include "store/secrets.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

struct TimeoutSpec {
  std::optional<Duration> idle;
};
BOOST_DESCRIBE_STRUCT(TimeoutSpec, (), (idle))
struct TimeoutStatus {
  std::string state;
};
BOOST_DESCRIBE_STRUCT(TimeoutStatus, (), (state))

Kind timeout_kind() {
  Kind kind = describe_kind<TimeoutSpec, TimeoutStatus>({.name = "Timeout", .path = "timeouts", .short_name = "t"});
  kind.warn = [](const AnySpec& spec, std::vector<std::string>& warnings) {
    if (!spec.as<TimeoutSpec>()->idle) warnings.push_back("has no effect");
  };
  return kind;
}
const Kind kTimeout = timeout_kind();

const Actor kAdminActor{admin_user(), Via::Api};
const Actor kAnybody{anonymous_user(), Via::Api};
const Actor kProxy{{}, Via::Proxy};
const Actor kControlPlane{{}, Via::ControlPlane};

class AdmissionTest : public ::testing::Test {
 protected:
  AdmissionTest() {
    add_builtin_kinds(kinds_);
    kinds_.add(kTimeout);
    admission_.emplace(store_, kinds_, settings(), clock_);
  }

  static AdmissionSettings settings() {
    AdmissionSettings settings;
    settings.zone = "east";
    settings.default_policies = [](const std::string& mesh, const std::vector<std::string>& skip) {
      std::vector<Resource> policies;
      if (std::ranges::find(skip, "Timeout") != skip.end()) return policies;
      Resource& policy = policies.emplace_back();
      policy.key = {&kTimeout, mesh, "timeout-all-" + mesh};
      policy.spec = AnySpec::of(TimeoutSpec{1h});
      return policies;
    };
    return settings;
  }

  Resource read(const std::string& yaml) {
    auto document = parse_document(parse_yaml_document(yaml).value(), kinds_);
    EXPECT_TRUE(document.has_value() && document->violations.empty()) << yaml;
    return document->resource;
  }
  Result<Admission::Outcome> put(const std::string& yaml, const Actor& actor = kAdminActor) {
    return admission_->put(read(yaml), actor);
  }

  // A mesh without what comes with one: making its keys takes long.
  void given_mesh(const std::string& yaml = "{type: Mesh, name: m}") {
    ASSERT_TRUE(store_.write({{.op = Write::Op::Put, .resource = read(yaml), .expect = {}, .owner = {}}}));
  }

  // The fields that a write is refused for.
  std::vector<std::string> refused(const std::string& yaml, const Actor& actor = kAdminActor) {
    return fields(put(yaml, actor));
  }
  template <class T>
  static std::vector<std::string> fields(const Result<T>& result) {
    std::vector<std::string> names;
    if (result) return names;
    if (result.error().kind != ErrorKind::Invalid) names.push_back(result.error().message());
    for (const Violation& violation : result.error().violations) names.push_back(violation.field);
    return names;
  }

  std::vector<std::string> names(const Kind& kind, const std::string& mesh = {}) {
    std::vector<std::string> names;
    Query query;
    query.kind = &kind;
    query.mesh = mesh;
    const auto page = store_.list(query);
    for (const Resource& resource : page->items) names.push_back(resource.key.name);
    return names;
  }

  ManualClock clock_{SystemTime(1'800'000'000s)};
  MemoryStore store_;
  KindRegistry kinds_;
  std::optional<Admission> admission_;
};

TEST_F(AdmissionTest, AMeshComesWithItsSigningKeyItsAuthorityAndItsFirstPolicies) {
  const auto outcome =
      put("{type: Mesh, name: m, mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}}", kAnybody);

  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_TRUE(outcome->created && outcome->changed);
  EXPECT_THAT(outcome->resource.labels, ElementsAre());
  EXPECT_THAT(names(kSecretKind, "m"),
              ElementsAre("dataplane-token-signing-key-m-1", "m.ca-builtin-cert-ca-1", "m.ca-builtin-key-ca-1"));
  EXPECT_THAT(names(kTimeout, "m"), ElementsAre("timeout-all-m"));
  const Resource policy = store_.get({&kTimeout, "m", "timeout-all-m"}).value();
  EXPECT_THAT(policy.labels, ElementsAre(Pair(kEnvironmentLabel, "universal"), Pair(kMeshLabel, "m"),
                                         Pair(kOriginLabel, "zone"), Pair(kZoneLabel, "east")));
  EXPECT_EQ(policy.created, clock_.now());
  const auto& mesh = outcome->resource.spec_as<Mesh>();
  EXPECT_TRUE(load_authority("m", *mesh.enabled_ca(), StoreSecrets(store_)).has_value());
}

TEST_F(AdmissionTest, OnlyAGatewayThatWeRunIsLabelledAsOne) {
  given_mesh();
  const auto type_of = [&](const std::string& gateway) {
    return put("{type: Dataplane, mesh: m, name: g, networking: {address: 10.0.0.1, gateway: " + gateway + "}}", kProxy)
        ->resource.labels.at(kProxyTypeLabel);
  };
  EXPECT_EQ(type_of("{tags: {kuma.io/service: g}}"), "sidecar");
  EXPECT_EQ(type_of("{type: BUILTIN, tags: {kuma.io/service: g}}"), "gateway");
}

TEST_F(AdmissionTest, AMeshMaySkipItsFirstPolicies) {
  ASSERT_TRUE(put("{type: Mesh, name: m, skipCreatingInitialPolicies: [Timeout]}"));
  EXPECT_THAT(names(kTimeout, "m"), ElementsAre());
}

TEST_F(AdmissionTest, AnAuthorityIsMadeWhenABackendIsAddedAndKeptAfterwards) {
  ASSERT_TRUE(put("{type: Mesh, name: m}"));
  ASSERT_TRUE(admission_->remove({&kTimeout, "m", "timeout-all-m"}, kAdminActor));
  const std::string with_ca =
      "{type: Mesh, name: m, mtls: {enabledBackend: ca-1, backends: [{name: ca-1, type: builtin}]}}";

  ASSERT_TRUE(put(with_ca));

  const auto root = store_.get({&kSecretKind, "m", "m.ca-builtin-cert-ca-1"});
  ASSERT_TRUE(root.has_value());
  EXPECT_THAT(names(kTimeout, "m"), ElementsAre());  // what was deleted stays deleted
  ASSERT_TRUE(put("{type: Mesh, name: m, mtls: {backends: [{name: ca-1, type: builtin}]}}"));
  ASSERT_TRUE(put(with_ca));
  EXPECT_EQ(store_.get(root->key)->revision, root->revision);
}

TEST_F(AdmissionTest, WhatChangesNothingWritesNothing) {
  const std::string yaml = "{type: Timeout, mesh: m, name: t, spec: {idle: 5s}}";
  given_mesh();
  const auto first = put(yaml);
  clock_.advance(1s);

  const auto second = put(yaml);

  EXPECT_TRUE(first->created && first->changed);
  EXPECT_FALSE(second->created || second->changed);
  EXPECT_EQ(second->resource.revision, first->resource.revision);
  EXPECT_EQ(second->resource.modified, first->resource.modified);
  const auto third = put("{type: Timeout, mesh: m, name: t, spec: {idle: 6s}}");
  EXPECT_TRUE(third->changed);
  EXPECT_EQ(third->resource.created, first->resource.created);
  EXPECT_EQ(third->resource.modified, clock_.now());
}

TEST_F(AdmissionTest, ADataplaneGetsItsZoneAndItsLabels) {
  given_mesh();

  const auto outcome =
      put("{type: Dataplane, mesh: m, name: web-1, networking: {address: 10.0.0.1, inbound: [{port: 80, tags: "
          "{kuma.io/service: web, "
          "kuma.io/zone: nowhere}}]}}",
          kProxy);

  ASSERT_TRUE(outcome.has_value()) << outcome.error().message();
  EXPECT_EQ(outcome->resource.spec_as<Dataplane>().networking.inbound[0].tags.at(kZoneTag), "east");
  EXPECT_THAT(outcome->resource.labels,
              ElementsAre(Pair(kEnvironmentLabel, "universal"), Pair(kMeshLabel, "m"), Pair(kOriginLabel, "zone"),
                          Pair(kProxyTypeLabel, "sidecar"), Pair(kZoneLabel, "east")));
}

TEST_F(AdmissionTest, AnInboundThatIsProbedBeginsAsNotReady) {
  given_mesh();
  const auto outcome =
      put("{type: Dataplane, mesh: m, name: w, networking: {address: 10.0.0.1, inbound: [{port: 80, serviceProbe: "
          "{tcp: {}}, tags: "
          "{kuma.io/service: web}}]}}",
          kProxy);
  EXPECT_EQ(outcome->resource.spec_as<Dataplane>().networking.inbound[0].state, InboundState::NotReady);
}

TEST_F(AdmissionTest, AllFaultsAreNamedAtOnce) {
  given_mesh();
  EXPECT_THAT(refused("{type: Dataplane, mesh: m, name: Bad_Name, labels: {kuma.io/zone: west}, networking: {address: "
                      "'a b', inbound: [{port: 0, tags: "
                      "{kuma.io/service: web}}]}}"),
              ElementsAre("name", "labels[\"kuma.io/zone\"]", "networking.address", "networking.inbound[0].port"));
}

TEST_F(AdmissionTest, WithoutItsMeshThereIsNothingToWrite) {
  EXPECT_EQ(put("{type: Timeout, mesh: nope, name: t}").error().kind, ErrorKind::NotFound);
}

TEST_F(AdmissionTest, AMeshDecidesWhoMayBeAMember) {
  given_mesh(
      "{type: Mesh, name: m, constraints: {dataplaneProxy: {requirements: [{tags: {team: '*'}}], restrictions: [{tags: "
      "{kuma.io/service: evil}}]}}}");
  const auto join = [&](const std::string& tags) {
    return refused("{type: Dataplane, mesh: m, name: d, networking: {address: 10.0.0.1, inbound: [{port: 80, tags: " +
                   tags + "}]}}");
  };
  EXPECT_THAT(join("{kuma.io/service: web, team: a}"), ElementsAre());
  EXPECT_THAT(join("{kuma.io/service: web}"), ElementsAre("networking.inbound[0].tags"));
  EXPECT_THAT(join("{kuma.io/service: evil, team: a}"), ElementsAre("networking.inbound[0].tags"));
}

TEST_F(AdmissionTest, TheAuthorityCannotChangeWhileItIsInUse) {
  given_mesh("{type: Mesh, name: m, mtls: {enabledBackend: a, backends: [{name: a, type: builtin}]}}");
  EXPECT_THAT(refused("{type: Mesh, name: m, mtls: {enabledBackend: b, backends: [{name: b, type: builtin}]}}"),
              ElementsAre("mtls.enabledBackend"));
  given_mesh();
  EXPECT_THAT(refused("{type: Mesh, name: m, mtls: {enabledBackend: b, backends: [{name: b, type: builtin}]}}"),
              ElementsAre());
}

TEST_F(AdmissionTest, AProvidedAuthorityMustBeThere) {
  const auto mesh = [](const std::string& conf, const std::string& skip = "false") {
    return "{type: Mesh, name: m, mtls: {skipValidation: " + skip +
           ", enabledBackend: p, backends: [{name: p, type: provided, conf: " + conf + "}]}}";
  };
  EXPECT_THAT(refused(mesh("{}")), ElementsAre("mtls.backends[0].conf.cert", "mtls.backends[0].conf.key"));
  EXPECT_THAT(refused(mesh("{cert: {}, key: {inline: ''}}")),
              ElementsAre("mtls.backends[0].conf.cert", "mtls.backends[0].conf.key.inline"));
  EXPECT_FALSE(refused(mesh("{cert: {secret: c}, key: {secret: k}}")).empty());
  EXPECT_THAT(refused(mesh("{cert: {secret: c}, key: {secret: k}}", "true")), ElementsAre());
}

TEST_F(AdmissionTest, LongMeshNamesAreRefused) {
  EXPECT_THAT(refused("{type: Mesh, name: " + std::string(64, 'a') + "}"), ElementsAre("name"));
}

TEST_F(AdmissionTest, AMeshWithDataplanesStays) {
  given_mesh();
  const Resource dataplane = read("{type: Dataplane, mesh: m, name: d, networking: {address: 10.0.0.1}}");
  ASSERT_TRUE(admission_->put(dataplane, kProxy));
  const ResourceKey mesh{&kMeshKind, {}, "m"};

  EXPECT_THAT(fields(admission_->remove(mesh, kAdminActor)), ElementsAre("mesh"));
  ASSERT_TRUE(admission_->remove(dataplane.key, kAdminActor));
  EXPECT_TRUE(admission_->remove(mesh, kAdminActor));
  EXPECT_THAT(names(kSecretKind), ElementsAre());
  EXPECT_EQ(admission_->remove(mesh, kAdminActor).error().kind, ErrorKind::NotFound);
}

// Something happens between what admission reads and what it writes.
class InterruptedStore final : public Store {
 public:
  explicit InterruptedStore(Store& inner) : inner_(inner) {}
  std::function<void()> before_write;

  Result<Revision> write(std::vector<Write> writes) override {
    if (auto interruption = std::exchange(before_write, nullptr)) interruption();
    return inner_.write(std::move(writes));
  }
  Result<Resource> get(const ResourceKey& key) const override { return inner_.get(key); }
  Result<Page> list(const Query& query) const override { return inner_.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return inner_.wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return inner_.id(); }

 private:
  Store& inner_;
};

TEST_F(AdmissionTest, ADataplaneWhoseMeshGoesInTheSameInstantFindsNone) {
  given_mesh();
  InterruptedStore interrupted(store_);
  Admission admission(interrupted, kinds_, settings(), clock_);
  interrupted.before_write = [&] { EXPECT_TRUE(admission_->remove({&kMeshKind, {}, "m"}, kAdminActor)); };
  const auto registered = admission.put(read("{type: Dataplane, mesh: m, name: d, networking: {address: 10.0.0.1, "
                                             "inbound: [{port: 80, tags: {kuma.io/service: a}}]}}"),
                                        kProxy);
  ASSERT_FALSE(registered);
  EXPECT_EQ(registered.error().kind, ErrorKind::NotFound);
  EXPECT_FALSE(store_.get({&kDataplaneKind, "m", "d"}));
}

TEST_F(AdmissionTest, AMeshStaysWhenADataplaneComesInTheSameInstant) {
  given_mesh();
  InterruptedStore interrupted(store_);
  Admission admission(interrupted, kinds_, settings(), clock_);
  interrupted.before_write = [&] {
    EXPECT_TRUE(
        put("{type: Dataplane, mesh: m, name: d, networking: {address: 10.0.0.1, inbound: [{port: 80, tags: "
            "{kuma.io/service: a}}]}}",
            kProxy));
  };
  const Status removed = admission.remove({&kMeshKind, {}, "m"}, kAdminActor);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().kind, ErrorKind::Invalid);
  EXPECT_TRUE(store_.get({&kDataplaneKind, "m", "d"}));
}

TEST_F(AdmissionTest, ASecretInUseStays) {
  given_mesh("{type: Mesh, name: m, mtls: {backends: [{name: a, type: builtin}]}}");
  for (const char* name : {"m.ca-builtin-key-a", "other"})
    ASSERT_TRUE(admission_->put(secret_resource("m", name, Secret("x")), kAdminActor));
  EXPECT_THAT(fields(admission_->remove({&kSecretKind, "m", "m.ca-builtin-key-a"}, kAdminActor)), ElementsAre("name"));
  EXPECT_TRUE(admission_->remove({&kSecretKind, "m", "other"}, kAdminActor));
}

TEST_F(AdmissionTest, AConnectedZoneStays) {
  ASSERT_TRUE(put("{type: Zone, name: west}"));
  ASSERT_TRUE(put("{type: ZoneInsight, name: west, subscriptions: [{id: '1'}]}", kControlPlane));
  EXPECT_THAT(fields(admission_->remove({&kZoneKind, {}, "west"}, kAdminActor)), ElementsAre("zone"));
  ASSERT_TRUE(put("{type: ZoneInsight, name: west, subscriptions: [{id: '1', disconnectTime: '2026-01-01T00:00:00Z'}]}",
                  kControlPlane));
  EXPECT_TRUE(admission_->remove({&kZoneKind, {}, "west"}, kAdminActor));
}

TEST_F(AdmissionTest, SecretsAreForAdmins) {
  given_mesh();
  const std::string secret = "{type: Secret, mesh: m, name: s, data: aGVsbG8=}";
  const auto denied = put(secret, kAnybody);
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().kind, ErrorKind::Denied);
  EXPECT_THAT(denied.error().text, HasSubstr("mesh-system:anonymous"));
  EXPECT_TRUE(put(secret));
  EXPECT_THAT(refused("{type: Secret, mesh: m, name: s, data: '***'}"), ElementsAre("data"));
  EXPECT_EQ(admission_->remove({&kSecretKind, "m", "s"}, kAnybody).error().kind, ErrorKind::Denied);
}

TEST_F(AdmissionTest, InsightsAreWrittenByTheControlPlaneOnly) {
  given_mesh();
  const std::string insight = "{type: DataplaneInsight, mesh: m, name: d}";
  EXPECT_EQ(put(insight).error().kind, ErrorKind::Denied);
  EXPECT_TRUE(put(insight, kControlPlane));
}

TEST_F(AdmissionTest, TheApiCannotWriteAStatus) {
  given_mesh();
  ASSERT_TRUE(put("{type: Timeout, mesh: m, name: t, spec: {idle: 5s}, status: {state: mine}}"));
  EXPECT_TRUE(store_.get({&kTimeout, "m", "t"})->status.empty());
  ASSERT_TRUE(put("{type: Timeout, mesh: m, name: t, spec: {idle: 5s}, status: {state: good}}", kControlPlane));
  const auto unchanged = put("{type: Timeout, mesh: m, name: t, spec: {idle: 5s}, status: {state: mine}}");
  EXPECT_FALSE(unchanged->changed);
  EXPECT_EQ(store_.get({&kTimeout, "m", "t"})->status.as<TimeoutStatus>()->state, "good");
}

TEST_F(AdmissionTest, TheOriginOfAResourceNeverChanges) {
  given_mesh();
  ASSERT_TRUE(put("{type: Timeout, mesh: m, name: t, labels: {kuma.io/display-name: first}}"));
  EXPECT_THAT(
      refused("{type: Timeout, mesh: m, name: t, labels: {kuma.io/display-name: second, kuma.io/origin: global}}"),
      ElementsAre("labels[\"kuma.io/origin\"]", "labels[\"kuma.io/zone\"]", "labels[\"kuma.io/display-name\"]"));
  EXPECT_THAT(refused("{type: Timeout, mesh: m, name: t, labels: {kuma.io/display-name: first, a: b}}"), ElementsAre());
}

TEST_F(AdmissionTest, WarningsComeWithTheWrite) {
  given_mesh();
  EXPECT_THAT(put("{type: Timeout, mesh: m, name: t, spec: {}}")->warnings, ElementsAre("has no effect"));
}

TEST_F(AdmissionTest, WhatIsTooLargeIsRefusedByItsSize) {
  AdmissionSettings small = settings();
  small.max_resource_bytes = 200;
  Admission admission(store_, kinds_, small, clock_);
  given_mesh();
  const auto refusal =
      admission.put(read("{type: Secret, mesh: m, name: s, data: " + std::string(240, 'A') + "}"), kAdminActor);
  EXPECT_EQ(refusal.error().kind, ErrorKind::TooLarge);
}

TEST_F(AdmissionTest, TheFirstStartMakesKeysTheAdminsTokenTheZoneAndTheDefaultMesh) {
  const BootstrapSettings bootstrap{.zone = "east"};
  ASSERT_TRUE(ensure_defaults(store_, *admission_, bootstrap, clock_));

  EXPECT_THAT(names(kGlobalSecretKind),
              ElementsAre("admin-user-token", "user-token-signing-key-1", "zone-token-signing-key-1"));
  EXPECT_THAT(names(kMeshKind), ElementsAre("default"));
  EXPECT_THAT(names(kZoneKind), ElementsAre("east"));
  const StoreSecrets secrets(store_);
  const auto token = secrets.find_secret({}, kAdminTokenSecret);
  clock_.advance(24h * 365 * 9);
  const auto user = TokenVerifier(secrets, clock_).verify_user(token->reveal());
  ASSERT_TRUE(user.has_value()) << user.error().message();
  EXPECT_TRUE(user->is_in(kAdmin));
}

TEST_F(AdmissionTest, TheFirstStartMakesTheGeneratorsOfNamesUnlessToldNotTo) {
  ASSERT_TRUE(ensure_defaults(store_, *admission_, {.zone = "east", .create_hostname_generators = false}, clock_));
  EXPECT_THAT(names(kHostnameGeneratorKind), testing::IsEmpty());
  ASSERT_TRUE(ensure_defaults(store_, *admission_, {.zone = "east"}, clock_));
  EXPECT_THAT(names(kHostnameGeneratorKind),
              ElementsAre("local-mesh-external-service", "local-universal-mesh-service"));
}

TEST_F(AdmissionTest, ALaterStartChangesNothing) {
  ASSERT_TRUE(ensure_defaults(store_, *admission_, {.zone = "east"}, clock_));
  const auto before = store_.wait_for_changes(0, {})->upto;
  ASSERT_TRUE(ensure_defaults(store_, *admission_, {.zone = "east"}, clock_));
  EXPECT_EQ(store_.wait_for_changes(0, {})->upto, before);

  ASSERT_TRUE(ensure_defaults(store_, *admission_, {.zone = "renamed"}, clock_));
  EXPECT_THAT(names(kZoneKind), ElementsAre("renamed"));
}

TEST(Access, UsersAndGroupsThatAreNamedMay) {
  const Allowed allowed{{"alice"}, {"ops"}};
  EXPECT_TRUE(check_access(allowed, {"alice", {}}, "do it"));
  EXPECT_TRUE(check_access(allowed, {"bob", {"dev", "ops"}}, "do it"));
  const Status denied = check_access(allowed, {"bob", {"dev"}}, "do it");
  EXPECT_EQ(denied.error().kind, ErrorKind::Denied);
  EXPECT_THAT(denied.error().text, HasSubstr("\"bob\" of groups [dev] may not do it"));
  EXPECT_TRUE(check_access(AccessSettings().view_stats, anonymous_user(), "look"));
}

}  // namespace
}  // namespace mesh
