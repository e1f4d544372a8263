#include "api/test_api.h"

namespace mesh {

extern const Kind kSpeedKind = describe_kind<Speed>({.name = "MeshSpeed",
                                                     .path = "meshspeeds",
                                                     .short_name = "ms",
                                                     .singular = "Mesh Speed",
                                                     .plural = "Mesh Speeds",
                                                     .is_policy = true,
                                                     .policy = {.has_to = true},
                                                     .path_aliases = {"mesh-speeds"}});

ApiTest::ApiTest() {
  add_builtin_kinds(kinds);
  kinds.add(kSpeedKind);
  admission.emplace(store, kinds, AdmissionSettings{}, clock);
  make_api({});
}

void ApiTest::make_api(ApiSettings settings) {
  settings.instance_id = "cp-1";
  settings.hostname = "host";
  settings.config_json = [] { return std::string(R"({"mode":"zone"})"); };
  // Here a policy selects the Dataplanes that its label "for" begins the names of.
  const auto policies_for = [](const std::vector<Resource>& policies, const Resource& dataplane) {
    std::vector<const Resource*> found;
    for (const Resource& policy : policies)
      if (const auto label = policy.labels.find("for");
          label != policy.labels.end() && dataplane.key.name.starts_with(label->second))
        found.push_back(&policy);
    return found;
  };
  api.emplace(ApiParts{store, *admission, kinds, issuer, verifier, &configs, clock, policies_for}, std::move(settings));
}

wire::Request ApiTest::request(std::string method, std::string target, std::string body, As as) const {
  wire::Request out;
  out.method = std::move(method);
  out.target = target;
  const auto question = target.find('?');
  out.path = target.substr(0, question);
  std::string rest = question == std::string::npos ? std::string() : target.substr(question + 1);
  while (!rest.empty()) {
    const auto end = rest.find('&');
    const std::string pair = rest.substr(0, end);
    const auto equals = pair.rfind('=');
    out.query.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
    rest = end == std::string::npos ? std::string() : rest.substr(end + 1);
  }
  out.headers.add("host", as == As::Admin ? "localhost:5681" : "mesh.example.com:5681");
  out.peer.is_loopback = as == As::Admin;
  if (!body.empty()) out.headers.add("content-type", "application/json");
  out.body = std::move(body);
  return out;
}

wire::Response ApiTest::send(std::string method, std::string target, std::string body, As as) const {
  return api->answer(request(std::move(method), std::move(target), std::move(body), as));
}

boost::json::value ApiTest::get_json(std::string target, As as) const {
  const auto response = send("GET", std::move(target), {}, as);
  EXPECT_EQ(response.status, 200) << response.body;
  auto body = parse_json(response.body);
  EXPECT_TRUE(body) << response.body;
  return body.value_or(nullptr);
}

void ApiTest::put(const Kind& kind, const std::string& mesh, const std::string& name, AnySpec spec, Labels labels) {
  Resource resource{.key = {&kind, mesh, name}, .labels = std::move(labels), .spec = std::move(spec), .status = {}};
  resource.created = resource.modified = clock.now();
  const auto written = store.write({Write{.resource = std::move(resource), .expect = {}, .owner = {}}});
  ASSERT_TRUE(written) << written.error().message();
}

void ApiTest::put_mesh(const std::string& name, Mesh spec) { put(kMeshKind, {}, name, AnySpec::of(std::move(spec))); }

void ApiTest::put_dataplane(const std::string& mesh, const std::string& name, const std::string& service) {
  Dataplane spec;
  spec.networking.address = "10.0.0.1";
  Inbound inbound;
  inbound.port = 8080;
  inbound.tags = {{kServiceTag, service}, {kZoneTag, "east"}};
  spec.networking.inbound.push_back(std::move(inbound));
  put(kDataplaneKind, mesh, name, AnySpec::of(std::move(spec)), {{"team", service}});
}

void ApiTest::put_insight(const std::string& mesh, const std::string& name, DataplaneInsight insight) {
  put(kDataplaneInsightKind, mesh, name, AnySpec::of(std::move(insight)));
}

void ApiTest::put_secret(const std::string& mesh, const std::string& name, const std::string& value) {
  Resource resource = secret_resource(mesh, name, Secret(value));
  ASSERT_TRUE(store.write({Write{.resource = std::move(resource), .expect = {}, .owner = {}}}));
}

std::vector<std::string> invalid_fields(const wire::Response& response) {
  std::vector<std::string> fields;
  const auto body = parse_json(response.body);
  if (!body || !body->is_object() || !body->get_object().contains("invalid_parameters")) return fields;
  for (const auto& item : body->at("invalid_parameters").as_array()) fields.emplace_back(item.at("field").as_string());
  return fields;
}

std::string text_at(const boost::json::value& from, std::string_view pointer) {
  boost::system::error_code missing;
  const auto* found = from.find_pointer(pointer, missing);
  if (found == nullptr) return "(none)";
  return found->is_string() ? std::string(found->get_string()) : print_json(*found);
}

std::vector<std::string> names_in(const boost::json::value& list) {
  std::vector<std::string> names;
  for (const auto& item : list.at("items").as_array()) names.emplace_back(item.at("name").as_string());
  return names;
}

}  // namespace mesh
