#include <boost/json/object.hpp>
#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "base/files.h"
#include "model/json.h"
#include "settings/control_plane.h"
#include "settings/near_miss.h"

namespace mesh {

std::span<const SettingRule> control_plane_rules();

namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

ControlPlaneSettings load(std::string_view yaml, const Environment& environment = {}) {
  const auto loaded = load_control_plane_settings(yaml, environment);
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message();
  return loaded ? loaded->settings : ControlPlaneSettings();
}
std::string error_of(std::string_view yaml, const Environment& environment = {}) {
  const auto loaded = load_control_plane_settings(yaml, environment);
  return loaded ? "" : loaded.error().message();
}
std::vector<std::string> warnings_of(std::string_view yaml, const Environment& environment = {}) {
  return load_control_plane_settings(yaml, environment)->warnings;
}

TEST(Settings, ComeFromTheFileAndThenFromVariables) {
  const ControlPlaneSettings settings =
      load("apiServer:\n  http:\n    port: 1111\n  readOnly: true\nmultizone: {zone: {name: east}}",
           {{"KUMA_API_SERVER_HTTP_PORT", "2222"}, {"KUMA_GENERAL_WORK_DIR", "/data"}});
  EXPECT_EQ(settings.api_server.http.port, 2222);
  EXPECT_TRUE(settings.api_server.read_only);
  EXPECT_EQ(settings.multizone.zone.name, "east");
  EXPECT_EQ(settings.store.sqlite.path, "/data/taskmesh.db");
}

TEST(Settings, OfEveryShapeAreReadFromVariables) {
  const ControlPlaneSettings settings = load("", {{"KUMA_API_SERVER_AUTHN_LOCALHOST_IS_ADMIN", "0"},
                                                  {"KUMA_GENERAL_DNS_CACHE_TTL", "1m30s"},
                                                  {"KUMA_ACCESS_STATIC_ADMIN_RESOURCES_USERS", "alice, bob"},
                                                  {"KUMA_ACCESS_STATIC_ADMIN_RESOURCES_GROUPS", ""},
                                                  {"KUMA_DNS_SERVER_SERVICE_VIP_PORT", ""},
                                                  {"KUMA_STORE_TYPE", "memory"},
                                                  {"KMESH_RUNTIME_AWS_ROUTE53_HOSTED_ZONE_ID", "Z1"},
                                                  {"KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS", "1,2"}});
  EXPECT_FALSE(settings.api_server.authn.localhost_is_admin);
  EXPECT_EQ(settings.general.dns_cache_ttl, 90s);
  EXPECT_THAT(settings.access.static_.admin_resources.users, ElementsAre("alice", "bob"));
  EXPECT_THAT(settings.access.static_.admin_resources.groups, IsEmpty());
  EXPECT_EQ(settings.dns_server.service_vip_port, 80);
  EXPECT_EQ(settings.store.type, "memory");
  EXPECT_EQ(settings.kmesh.runtime.aws.route53.hosted_zone_id, "Z1");
  EXPECT_THAT(settings.kmesh.aws_iam.authorized_account_ids, ElementsAre("1", "2"));
}

TEST(Settings, TheOlderNamesOfHowProxiesProveThemselvesCountWhereTheNewerOnesWereLeftAlone) {
  const auto older = load("", {{"KUMA_DP_SERVER_AUTH_TYPE", "aws-iam"},
                               {"KUMA_DP_SERVER_AUTH_USE_TOKEN_PATH", "true"},
                               {"KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS", "123456789012,210987654321"}});
  EXPECT_EQ(older.dp_server.authn.dp_proxy.type, "aws-iam");
  EXPECT_EQ(older.dp_server.authn.zone_proxy.type, "aws-iam");
  EXPECT_TRUE(older.dp_server.authn.enable_reloadable_tokens);
  EXPECT_EQ(older.kmesh.aws_iam.authorized_account_ids, (std::vector<std::string>{"123456789012", "210987654321"}));

  const auto both =
      load("", {{"KUMA_DP_SERVER_AUTH_TYPE", "aws-iam"}, {"KUMA_DP_SERVER_AUTHN_ZONE_PROXY_TYPE", "none"}});
  EXPECT_EQ(both.dp_server.authn.dp_proxy.type, "aws-iam");
  EXPECT_EQ(both.dp_server.authn.zone_proxy.type, "none");
  EXPECT_FALSE(both.dp_server.authn.enable_reloadable_tokens);

  const auto tokens = load("", {{"KUMA_DP_SERVER_AUTH_TYPE", "dpToken"}});
  EXPECT_EQ(tokens.dp_server.authn.zone_proxy.type, "zoneToken");
}

TEST(Settings, TheFileMayHoldListsAndNumbersWhereTextIsMeant) {
  const ControlPlaneSettings settings = load(R"(
store: {postgres: {password: 1234}}
access: {static: {viewStats: {groups: [ops]}}}
apiserver: {AUTHN: {tokens: {validator: {publicKeys: [{kid: a, keyFile: /k.pem}]}}}}
defaults: {skipHostnameGenerators: true}
)");
  EXPECT_EQ(settings.store.postgres.password, "1234");
  EXPECT_THAT(settings.access.static_.view_stats.groups, ElementsAre("ops"));
  EXPECT_EQ(settings.api_server.authn.tokens.validator.public_keys.at(0).key_file, "/k.pem");
  EXPECT_TRUE(settings.defaults.skip_hostname_generators);
}

TEST(Settings, AWrongValueIsNamedWithItsVariableAndWhatIsAllowed) {
  EXPECT_THAT(error_of("", {{"KUMA_STORE_TYPE", "oracle"}}),
              HasSubstr("KUMA_STORE_TYPE: is \"oracle\"; must be sqlite, memory or postgres"));
  EXPECT_THAT(error_of("", {{"KUMA_API_SERVER_HTTP_PORT", "70000"}}),
              HasSubstr("KUMA_API_SERVER_HTTP_PORT: is \"70000\"; must be a number from 0 to 65535"));
  EXPECT_THAT(error_of("", {{"KUMA_API_SERVER_HTTP_PORT", "http"}}),
              HasSubstr("KUMA_API_SERVER_HTTP_PORT: is \"http\""));
  EXPECT_THAT(error_of("", {{"KUMA_API_SERVER_READ_ONLY", "maybe"}}), HasSubstr("must be true or false"));
  EXPECT_THAT(error_of("general: {dnsCacheTTL: soon}"),
              HasSubstr("general.dnsCacheTTL: is \"soon\"; must be a duration"));
  EXPECT_THAT(error_of("", {{"KUMA_DP_SERVER_TLS_MIN_VERSION", "1.2"}}),
              HasSubstr("must be empty, TLSv1_0, TLSv1_1, TLSv1_2 or TLSv1_3"));
  EXPECT_THAT(error_of("apiServer: 5"), HasSubstr("apiServer"));
  EXPECT_THAT(error_of("a: [1"), HasSubstr("settings file"));
  EXPECT_THAT(error_of("general: {tlsCertFile: /a.pem}"), HasSubstr("general.tlsKeyFile"));
}

TEST(Settings, AllWrongValuesAreNamedAtOnce) {
  const std::string error = error_of("mode: moon", {{"KUMA_STORE_TYPE", "x"}, {"KUMA_DP_SERVER_PORT", "x"}});
  for (const char* name : {"mode", "KUMA_STORE_TYPE", "KUMA_DP_SERVER_PORT"}) EXPECT_THAT(error, HasSubstr(name));
}

TEST(Settings, AnUnknownVariableIsIgnoredButANearMissGetsAWarning) {
  EXPECT_THAT(warnings_of("", {{"KUMA_DNS_SERVICE_DOMAIN", "x"}}),
              ElementsAre(HasSubstr("did you mean KUMA_DNS_SERVER_DOMAIN?")));
  EXPECT_THAT(warnings_of("", {{"KMESH_AWS_IAM_AUTHORIZED_ACCOUNT_IDS", "1"}}),
              ElementsAre(HasSubstr("KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS")));
  EXPECT_THAT(warnings_of("", {{"KUMA_RUNTIME_KUBERNETES_INJECTOR_CNI_ENABLED", "x"},
                               {"PATH", "x"},
                               {"KUMA_EXPERIMENTAL_KDS_DELTA_ENABLED", "true"}}),
              IsEmpty());
  EXPECT_THAT(warnings_of("apiServer: {htp: {port: 1}}\nmode: zone"), ElementsAre(HasSubstr("apiServer.h")));
}

TEST(Settings, WhoSetsWhatHasNoEffectIsTold) {
  EXPECT_THAT(warnings_of("", {{"KUMA_IPAM_KNOWN_INTERNAL_CIDRS", "127.4.0.0/16"}}),
              ElementsAre("KUMA_IPAM_KNOWN_INTERNAL_CIDRS is accepted, but has no effect in this version"));
  EXPECT_THAT(warnings_of("xdsServer: {nackBackoff: 1s}"), ElementsAre(HasSubstr("xdsServer.nackBackoff")));
}

TEST(Settings, SecretsAreNeverShown) {
  const std::string shown = config_json(load("", {{"KUMA_STORE_POSTGRES_PASSWORD", "hunter2"}}));
  EXPECT_THAT(shown, Not(HasSubstr("hunter2")));
  EXPECT_THAT(shown, HasSubstr("\"password\": \"*****\""));
}

TEST(Settings, ShowInTheStructureThatClientsKnow) {
  const auto shown = parse_json(config_json(load("", {{"KUMA_MULTIZONE_ZONE_NAME", "east"}})));
  const auto& root = shown->get_object();
  EXPECT_EQ(root.at("multizone").at("zone").at("name"), "east");
  EXPECT_EQ(root.at("mode"), "zone");
  EXPECT_EQ(root.at("apiServer").at("http").at("port"), 5681);
  EXPECT_EQ(root.at("general").at("dnsCacheTTL"), "10s");
  EXPECT_EQ(root.at("access").at("static").at("viewStats").at("users"), boost::json::array());
  EXPECT_EQ(root.at("dnsServer").at("CIDR"), "240.0.0.0/4");
  EXPECT_EQ(root.at("defaults").at("SkipHostnameGenerators"), false);
  EXPECT_EQ(root.at("store").at("postgres").at("tls").at("disableSSLSNI"), false);
}

TEST(Settings, TheCertificateOfGeneralServesAllPorts) {
  const ControlPlaneSettings settings =
      load("general: {tlsCertFile: /c, tlsKeyFile: /k}\ndpServer: {tlsCertFile: /dc, tlsKeyFile: /dk}");
  EXPECT_EQ(settings.api_server.https.tls_key_file, "/k");
  EXPECT_EQ(settings.dp_server.tls_cert_file, "/dc");
}

TEST(Settings, EveryOneIsExplained) {
  const SettingsDescription description{type_info<ControlPlaneSettings>(), control_plane_rules()};
  std::set<std::string> paths, variables;
  for (const Setting& setting : list_settings(description)) {
    EXPECT_NE(setting.rule, nullptr) << setting.path << " has no row in the table";
    paths.insert(setting.path);
    EXPECT_TRUE(setting.variable.empty() || variables.insert(setting.variable).second) << setting.variable;
  }
  for (const SettingRule& rule : control_plane_rules())
    EXPECT_TRUE(paths.contains(std::string(rule.path))) << rule.path << " is no setting";
  EXPECT_THAT(variables, Contains("KUMA_BOOTSTRAP_SERVER_PARAMS_XDS_GRPC_MAX_RECEIVE_MESSAGE_BYTES"));
  EXPECT_THAT(variables, Contains("KUMA_DP_SERVER_AUTHN_DP_PROXY_DP_TOKEN_VALIDATOR_USE_SECRETS"));
  EXPECT_THAT(variables, Contains("KUMA_STORE_POSTGRES_TLS_DISABLE_SSLSNI"));
  EXPECT_THAT(variables, Contains("KUMA_IPAM_KNOWN_INTERNAL_CIDRS"));
  EXPECT_THAT(variables, Contains("KUMA_DEFAULTS_SKIP_HOSTNAME_GENERATORS"));
  EXPECT_THAT(variables, Contains("KUMA_IPAM_MESH_MULTI_ZONE_SERVICE_CIDR"));
  EXPECT_THAT(control_plane_settings_reference(), HasSubstr("| `KUMA_STORE_TYPE` | `store.type` | `sqlite` |"));
}

TEST(Settings, TheReferencePageIsThatOfTheTable) {
  const std::string path = MESH_SOURCE_DIR "/docs/settings.md";
  if (const char* golden = std::getenv("MESH_GOLDEN"); golden != nullptr && std::string_view(golden) == "write") {
    ASSERT_TRUE(write_file_atomically(path, control_plane_settings_reference()));
  }
  EXPECT_EQ(read_file(path).value_or(""), control_plane_settings_reference())
      << "run with MESH_GOLDEN=write, read the diff";
}

TEST(NearMiss, TakesTheNearestAndNothingThatIsFar) {
  const std::vector<std::string_view> known = {"KUMA_API_SERVER_HTTP_PORT", "KUMA_API_SERVER_HTTPS_PORT"};
  EXPECT_EQ(find_near_miss("KUMA_API_SERVER_HTTPS_PRT", known), "KUMA_API_SERVER_HTTPS_PORT");
  EXPECT_EQ(find_near_miss("KUMA_SOMETHING_ELSE", known), std::nullopt);
}

}  // namespace
}  // namespace mesh
