#include "load/api.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <memory>

#include "ads/wire_format.h"
#include "wire/client.h"

namespace mesh::load {

namespace json = boost::json;

namespace {

constexpr std::size_t kTokensAtOnce = 16;

wire::ClientRequest request_to(const std::string& method, const std::string& url, std::string body) {
  wire::ClientRequest request;
  request.method = method;
  request.url = url;
  request.headers.add("content-type", "application/json");
  request.body = std::move(body);
  request.timeout = std::chrono::seconds(60);
  return request;
}

json::object on_all_of_mesh() { return {{"kind", "Mesh"}}; }
json::object of_service(const std::string& service) {
  return {{"kind", "MeshSubset"}, {"tags", json::object{{"kuma.io/service", service}}}};
}

json::object timeout_spec(json::object target, json::object what) {
  json::array to;
  to.push_back(json::object{{"targetRef", on_all_of_mesh()}, {"default", std::move(what)}});
  return {{"targetRef", std::move(target)}, {"to", std::move(to)}};
}

json::object permission_spec(json::object target, json::object from, const char* action) {
  json::array list;
  list.push_back(json::object{{"targetRef", std::move(from)}, {"default", json::object{{"action", action}}}});
  return {{"targetRef", std::move(target)}, {"from", std::move(list)}};
}

std::string caller(int number) { return fmt::format("caller-{}", 10'000 + number); }

}  // namespace

bool Api::wait_until_up(Duration limit) {
  const SteadyTime deadline = fleet_.now() + limit;
  while (true) {
    const auto answer = wire::fetch_and_wait(request_to("GET", fleet_.settings.api_url + "/", ""));
    if (answer && answer->status == 200) return true;
    if (fleet_.now() > deadline) return false;
    fleet_.pause(std::chrono::milliseconds(10));
  }
}

Status Api::put(const std::string& path, const std::string& document) {
  const auto answer = wire::fetch_and_wait(request_to("PUT", fleet_.settings.api_url + path, document));
  if (!answer) return answer.error();
  if (answer->status / 100 != 2)
    return error(ErrorKind::Invalid, fmt::format("PUT {}: status {} {}", path, answer->status, answer->body));
  return {};
}

namespace {

std::string policy_path(const LoadSettings& settings, const std::string& kinds, const std::string& name) {
  return fmt::format("/meshes/{}/{}/{}", settings.mesh, kinds, name);
}

std::string policy(const LoadSettings& settings, const char* type, const std::string& name, json::object spec) {
  return json::serialize(
      json::object{{"type", type}, {"mesh", settings.mesh}, {"name", name}, {"spec", std::move(spec)}});
}

}  // namespace

Status Api::put_mesh() {
  json::object mesh{{"type", "Mesh"}, {"name", fleet_.settings.mesh}};
  if (fleet_.settings.mtls) {
    json::array backends;
    backends.push_back(json::object{{"name", "ca-1"}, {"type", "builtin"}});
    mesh["mtls"] = json::object{{"enabledBackend", "ca-1"}, {"backends", std::move(backends)}};
  }
  return put("/meshes/" + fleet_.settings.mesh, json::serialize(mesh));
}

Status Api::put_policies() {
  const LoadSettings& settings = fleet_.settings;
  MESH_RETURN_IF_ERROR(put(policy_path(settings, "meshtrafficpermissions", "load-allow-all"),
                           policy(settings, "MeshTrafficPermission", "load-allow-all",
                                  permission_spec(on_all_of_mesh(), on_all_of_mesh(), "Allow"))));
  MESH_RETURN_IF_ERROR(put_timeout(0));
  MESH_RETURN_IF_ERROR(put_permission(0));
  for (int i = 3; i < settings.policies; ++i) {
    const int service = i % settings.service_count();
    const std::string name = fmt::format("load-{}", i);
    if (i % 2 == 0) {
      MESH_RETURN_IF_ERROR(
          put(policy_path(settings, "meshtimeouts", name),
              policy(settings, "MeshTimeout", name,
                     timeout_spec(of_service(service_name(service)), {{"idleTimeout", fmt::format("{}m", 10 + i)}}))));
    } else {
      MESH_RETURN_IF_ERROR(put(policy_path(settings, "meshtrafficpermissions", name),
                               policy(settings, "MeshTrafficPermission", name,
                                      permission_spec(of_service(service_name(service)),
                                                      of_service(fmt::format("friend-{}", i)), "Allow"))));
    }
  }
  return {};
}

// Among policies for the whole mesh the name that comes first wins: it wins over the mesh's default.
Status Api::put_timeout(int number) {
  const std::string name = "a-load-timeout";
  return put(policy_path(fleet_.settings, "meshtimeouts", name),
             policy(fleet_.settings, "MeshTimeout", name,
                    timeout_spec(on_all_of_mesh(), {{"connectionTimeout", fmt::format("{}ms", 5'100 + number)}})));
}

// Cluster.connect_timeout: a google.protobuf.Duration.
std::string Api::timeout_needle(int number) {
  std::string duration, needle;
  pb::append_tag(duration, 1, 0);
  pb::append_varint(duration, 5);
  pb::append_tag(duration, 2, 0);
  pb::append_varint(duration, static_cast<std::uint64_t>(100 + number) * 1'000'000);
  pb::append_bytes(needle, 4, duration);
  return needle;
}

Status Api::put_permission(int number) {
  const std::string name = "a-load-permission";
  return put(policy_path(fleet_.settings, "meshtrafficpermissions", name),
             policy(fleet_.settings, "MeshTrafficPermission", name,
                    permission_spec(on_all_of_mesh(), of_service(caller(number)), "Deny")));
}

std::string Api::permission_needle(int number) { return caller(number); }

Result<std::vector<std::string>> Api::make_tokens(const std::vector<Instance>& instances) {
  struct Work {
    std::vector<std::string> tokens;
    std::size_t next = 0, done = 0;
    std::optional<Error> problem;
    std::function<void(const std::shared_ptr<Work>&)> ask_next;
  };
  const auto work = std::make_shared<Work>();
  work->tokens.resize(instances.size());
  work->ask_next = [this, &instances](const std::shared_ptr<Work>& self) {
    if (self->next == instances.size() || self->problem) return;
    const std::size_t mine = self->next++;
    const json::object body{
        {"name", instances[mine].name}, {"mesh", fleet_.settings.mesh}, {"type", "dataplane"}, {"validFor", "24h"}};
    wire::fetch(fleet_.loop(), request_to("POST", fleet_.settings.api_url + "/tokens/dataplane", json::serialize(body)),
                [self, mine](Result<wire::Response> answer) {
                  if (!answer) {
                    self->problem = answer.error();
                  } else if (answer->status != 200) {
                    self->problem = error(ErrorKind::Denied, fmt::format("POST /tokens/dataplane: status {} {}",
                                                                         answer->status, answer->body));
                  } else {
                    self->tokens[mine] = answer->body;
                    ++self->done;
                  }
                  self->ask_next(self);
                });
  };
  fleet_.on_loop([&] {
    for (std::size_t i = 0; i < kTokensAtOnce; ++i) work->ask_next(work);
  });
  const bool made =
      fleet_.wait_until([&] { return work->problem || work->done == instances.size(); }, std::chrono::seconds(120));
  if (work->problem) return *work->problem;
  if (!made) return error(ErrorKind::Unavailable, "the control plane did not make all tokens within two minutes");
  return work->tokens;
}

}  // namespace mesh::load
