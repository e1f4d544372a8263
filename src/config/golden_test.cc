// What proxies get, case by case: golden/<case>/input.yaml and expected.json. `MESH_GOLDEN=write` rewrites what is
// expected; the difference is what is reviewed. Where Envoy has been fetched it must accept each case.
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "config/config_json.h"
#include "config/proxy_config.h"
#include "model/builtin.h"
#include "model/yaml.h"
#include "policies/all.h"
#include "policies/meshtrafficpermission/reach.h"
#include "snapshot/fold.h"

namespace mesh {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kClusters = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
constexpr const char* kListeners = "type.googleapis.com/envoy.config.listener.v3.Listener";

std::string read(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

const KindRegistry& kinds() {
  static const KindRegistry registry = [] {
    KindRegistry all;
    add_builtin_kinds(all);
    add_policy_kinds(all);
    return all;
  }();
  return registry;
}

std::string text(const json::object& document, std::string_view key, std::string fallback = {}) {
  const json::value* value = document.if_contains(key);
  return value == nullptr ? fallback : std::string(value->as_string());
}

std::uint32_t number(const json::object& document, std::string_view key) {
  const json::value* value = document.if_contains(key);
  return value == nullptr ? 0 : value->to_number<std::uint32_t>();
}

bool contains(const json::object& document, std::string_view list, const std::string& item) {
  const json::value* values = document.if_contains(list);
  if (values == nullptr) return false;
  const auto& items = values->as_array();
  return std::any_of(items.begin(), items.end(), [&](const json::value& value) { return value.as_string() == item; });
}

// The document that is no resource: whose configuration is looked at, and how its proxy connected.
//   proxy: web-1
//   zone: zone-1                    of the control plane
//   autoReachable: true             outbounds only to where permissions let it
//   traits: {adminPort: 9901, readinessPort: 9902, features: […]}
//   down: [kv-2]                    Dataplanes that may not get traffic now
struct Case {
  json::object about;
  std::shared_ptr<const Snapshot> snapshot;
};

Case load(const fs::path& folder) {
  Case loaded;
  FoldInput input;
  input.from_start = true;
  const auto documents = parse_yaml(read(folder / "input.yaml"));
  if (!documents) {
    ADD_FAILURE() << documents.error().message();
    return loaded;
  }
  for (const json::value& document : *documents) {
    if (document.as_object().contains("proxy")) {
      loaded.about = document.as_object();
      continue;
    }
    const auto parsed = parse_document(document, kinds());
    if (!parsed) {
      ADD_FAILURE() << parsed.error().message();
      continue;
    }
    auto violations = parsed->violations;
    const Kind& kind = *parsed->resource.key.kind;
    if (violations.empty() && kind.validate != nullptr) kind.validate(parsed->resource.spec, violations);
    for (const Violation& violation : violations) ADD_FAILURE() << violation.field << ": " << violation.reason;
    input.resources.push_back({parsed->resource.key, std::make_shared<Resource>(parsed->resource)});
  }
  for (const ResourceChange& change : input.resources) {
    if (change.key.kind != &kDataplaneKind || contains(loaded.about, "down", change.key.name)) continue;
    input.liveness.push_back({{change.key.mesh, change.key.name}, true, {}});
  }
  loaded.snapshot = fold(Snapshot(), input).snapshot;
  return loaded;
}

ProxyTraits traits_of(const json::object& about) {
  ProxyTraits traits;
  if (const json::value* given = about.if_contains("traits")) {
    const json::object& object = given->as_object();
    traits.admin_port = number(object, "adminPort");
    traits.admin_socket = text(object, "adminSocket");
    traits.readiness_port = number(object, "readinessPort");
    traits.system_ca_path = text(object, "systemCaPath");
    traits.work_dir = text(object, "workDir");
    if (const json::value* ipv6 = object.if_contains("ipv6")) traits.ipv6 = ipv6->as_bool();
    if (const json::value* features = object.if_contains("features")) {
      for (const json::value& feature : features->as_array()) traits.features.emplace_back(feature.as_string());
    }
  }
  return traits;
}

void print(const json::value& value, const std::string& indent, std::string& out) {
  const std::string deeper = indent + " ";
  const char* comma = "\n";
  if (value.is_object() && !value.as_object().empty()) {
    out += "{";
    for (const auto& entry : value.as_object()) {
      out += comma + deeper + json::serialize(json::value(entry.key())) + ": ";
      print(entry.value(), deeper, out);
      comma = ",\n";
    }
    out += "\n" + indent + "}";
  } else if (value.is_array() && !value.as_array().empty()) {
    out += "[";
    for (const json::value& item : value.as_array()) {
      out += comma + deeper;
      print(item, deeper, out);
      comma = ",\n";
    }
    out += "\n" + indent + "]";
  } else {
    out += json::serialize(value);
  }
}

// Everything as static resources, so that Envoy looks at all of it without a control plane.
json::object bootstrap_for(const json::object& config) {
  json::array clusters = {json::parse(R"({"name": "ads_cluster", "type": "STATIC", "connectTimeout": "1s",
    "typedExtensionProtocolOptions": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      "explicitHttpConfig": {"http2ProtocolOptions": {}}}},
    "loadAssignment": {"clusterName": "ads_cluster"}})")};
  json::array listeners;
  if (const json::value* all = config.if_contains(kClusters)) {
    for (const auto& entry : all->as_object()) clusters.push_back(entry.value());
  }
  if (const json::value* all = config.if_contains(kListeners)) {
    for (const auto& entry : all->as_object()) listeners.push_back(entry.value());
  }
  json::object bootstrap = json::parse(R"({"node": {"id": "default.test", "cluster": "test"},
    "dynamicResources": {"adsConfig": {"apiType": "GRPC", "transportApiVersion": "V3",
      "grpcServices": [{"envoyGrpc": {"clusterName": "ads_cluster"}}]}}})")
                               .as_object();
  bootstrap["staticResources"] = {{"clusters", clusters}, {"listeners", listeners}};
  return bootstrap;
}

void expect_envoy_accepts(const json::object& config) {
  const fs::path envoy = fs::path(MESH_SOURCE_DIR) / ".tools/envoy/envoy";
  if (!fs::exists(envoy)) return;
  const fs::path file = fs::temp_directory_path() / ("golden-" + std::to_string(getpid()) + ".json");
  std::ofstream(file) << json::serialize(bootstrap_for(config));
  const std::string command = envoy.string() + " --mode validate --log-level warning -c " + file.string() + " 2>&1";
  FILE* run = popen(command.c_str(), "r");
  ASSERT_NE(run, nullptr);
  std::string said;
  for (char buffer[4096]; std::fgets(buffer, sizeof(buffer), run) != nullptr;) said += buffer;
  EXPECT_EQ(pclose(run), 0) << said;
  fs::remove(file);
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(MESH_SOURCE_DIR) / "src/config/golden")) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public ::testing::TestWithParam<std::string> {};

TEST_P(Golden, IsWhatWasReviewed) {
  const fs::path folder = fs::path(MESH_SOURCE_DIR) / "src/config/golden" / GetParam();
  EXPECT_TRUE(read(folder / "input.yaml").starts_with("# ")) << "a case begins with a sentence that says what it shows";
  const Case loaded = load(folder);
  ASSERT_NE(loaded.snapshot, nullptr);
  const auto mesh = loaded.snapshot->find(text(loaded.about, "mesh", "default"));
  ASSERT_NE(mesh, nullptr);

  OutboundSettings outbounds;
  if (loaded.about.contains("autoReachable")) outbounds.may_call = &may_call;
  const ConfigBuilder builder(text(loaded.about, "zone", "zone-1"), all_policies(), outbounds);
  const auto built = builder.build(*mesh, text(loaded.about, "proxy"), traits_of(loaded.about));
  const auto shown = config_json(*built);
  ASSERT_TRUE(shown.has_value()) << shown.error().message();
  const json::object config = json::parse(*shown).as_object();
  std::string printed;
  print(config, "", printed);
  printed += "\n";

  const char* mode = std::getenv("MESH_GOLDEN");  // NOLINT(house): a switch of the test alone
  if (mode != nullptr && std::string_view(mode) == "write") std::ofstream(folder / "expected.json") << printed;
  EXPECT_EQ(printed, read(folder / "expected.json")) << "to accept: MESH_GOLDEN=write";
  expect_envoy_accepts(config);

  // Proxies share what is the same for them: who was built before makes no difference.
  const ConfigBuilder busy(text(loaded.about, "zone", "zone-1"), all_policies(), outbounds);
  for (const auto& [name, dataplane] : mesh->dataplanes) busy.build(*mesh, name, traits_of(loaded.about));
  const auto again = busy.build(*mesh, text(loaded.about, "proxy"), traits_of(loaded.about));
  EXPECT_TRUE(is_same(*again->clusters, *built->clusters));
  EXPECT_TRUE(is_same(*again->listeners, *built->listeners));
}

INSTANTIATE_TEST_SUITE_P(Config, Golden, ::testing::ValuesIn(case_names()), [](const auto& param) {
  std::string name = param.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace mesh
