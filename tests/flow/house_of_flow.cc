#include "flow/house_of_flow.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/random.h"

namespace mesh::flow {

HouseOfFlow::HouseOfFlow()
    : folder(std::filesystem::temp_directory_path() / ("flow-" + make_uuid())),
      client_loop_(std::make_unique<wire::EventLoop>(1)) {
  log::set_level("", log::Level::Warn);
  std::filesystem::create_directories(folder);
  Result<LoadedControlPlaneSettings> loaded = load_control_plane_settings("", {{"HOME", folder.string()}});
  EXPECT_TRUE(loaded) << loaded.error().message();
  settings = loaded->settings;
  settings.general.work_dir = folder.string();
  settings.store.type = "memory";
  settings.store.sqlite.path = (folder / "store.db").string();
  settings.api_server.http.interface = "127.0.0.1";
  settings.api_server.http.port = 0;
  settings.api_server.https.enabled = false;
  settings.dp_server.port = 0;
  settings.dp_server.authn.dp_proxy.type = "none";
  settings.diagnostics.server_port = 0;
  settings.liveness.unprobed = Duration::zero();  // nobody probes these Envoys
}

HouseOfFlow::~HouseOfFlow() {
  stop();
  client_loop_->stop();
  client_loop_->wait();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

void HouseOfFlow::start() {
  loop_ = std::make_unique<wire::EventLoop>(2);
  Result<std::unique_ptr<ControlPlane>> started = ControlPlane::start(settings, *loop_, real_clock());
  ASSERT_TRUE(started) << started.error().message();
  control_plane_ = *std::move(started);
}

void HouseOfFlow::stop() {
  if (!control_plane_) return;
  control_plane_->stop(Duration::zero());
  control_plane_.reset();
  loop_.reset();
}

wire::Response HouseOfFlow::request(const std::string& method, const std::string& path, const std::string& body) {
  wire::ClientRequest request;
  request.method = method;
  request.url = "http://127.0.0.1:" + std::to_string(control_plane_->api_port()) + path;
  if (!body.empty()) request.headers.set("content-type", "application/json");
  request.body = body;
  Result<wire::Response> response = wire::fetch_and_wait(std::move(request));
  if (!response) {
    ADD_FAILURE() << method << " " << path << ": " << response.error().message();
    return {};
  }
  return *std::move(response);
}

void HouseOfFlow::put(const std::string& path, const std::string& document) {
  const wire::Response response = request("PUT", path, document);
  ASSERT_EQ(response.status / 100, 2) << path << ": " << response.body;
}

void HouseOfFlow::remove(const std::string& path) {
  const wire::Response response = request("DELETE", path);
  ASSERT_EQ(response.status, 200) << path << ": " << response.body;
}

std::string HouseOfFlow::get(const std::string& path) { return request("GET", path).body; }

void HouseOfFlow::put_mesh(const std::string& name, const std::string& mtls_backend,
                           const std::vector<std::string>& backends) {
  boost::json::object document{{"type", "Mesh"}, {"name", name}};
  if (!backends.empty()) {
    boost::json::array list;
    for (const std::string& backend : backends)
      list.push_back(boost::json::object{{"name", backend}, {"type", "builtin"}});
    document["mtls"] = boost::json::object{{"enabledBackend", mtls_backend}, {"backends", std::move(list)}};
  }
  put("/meshes/" + name, boost::json::serialize(document));
}

void HouseOfFlow::put_dataplane(const std::string& mesh, const std::string& name, const std::string& address,
                                const std::string& offers, const std::vector<std::string>& calls) {
  boost::json::array outbounds;
  std::int64_t port = 10001;
  for (const std::string& service : calls)
    outbounds.push_back(
        boost::json::object{{"port", port++}, {"tags", boost::json::object{{"kuma.io/service", service}}}});
  boost::json::array inbounds;
  inbounds.push_back(boost::json::object{
      {"port", 8080}, {"tags", boost::json::object{{"kuma.io/service", offers}, {"kuma.io/protocol", "http"}}}});
  const boost::json::object document{
      {"type", "Dataplane"},
      {"mesh", mesh},
      {"name", name},
      {"networking", boost::json::object{
                         {"address", address}, {"inbound", std::move(inbounds)}, {"outbound", std::move(outbounds)}}}};
  put("/meshes/" + mesh + "/dataplanes/" + name, boost::json::serialize(document));
}

std::unique_ptr<FakeEnvoy> HouseOfFlow::envoy(const std::string& mesh, const std::string& name, Speaks speaks,
                                              bool with_secrets, const std::vector<std::string>& features) {
  EnvoySettings envoy;
  envoy.proxy = {mesh, name};
  envoy.url = "https://127.0.0.1:" + std::to_string(control_plane_->sidecar_port());
  envoy.speaks = speaks;
  const boost::json::object metadata{{"features", boost::json::value_from(features)}, {"workdir", "/run/x"}};
  envoy.metadata_json = boost::json::serialize(metadata);
  if (with_secrets) envoy.secrets = {"identity_cert:secret:" + mesh, "mesh_ca:secret:" + mesh};
  auto out = std::make_unique<FakeEnvoy>(*client_loop_, std::move(envoy));
  out->connect();
  return out;
}

}  // namespace mesh::flow
