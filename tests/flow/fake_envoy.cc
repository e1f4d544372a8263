#include "flow/fake_envoy.h"

#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/endpoint/v3/endpoint.pb.h>
#include <envoy/service/discovery/v3/discovery.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <utility>

#include "ads/wire_format.h"

namespace mesh::flow {

namespace xds = ::envoy::service::discovery::v3;

namespace {

XdsType type_of(const std::string& url) {
  for (const XdsType type : kXdsTypes)
    if (type_url(type) == url) return type;
  return XdsType::Cluster;
}

}  // namespace

struct FakeEnvoy::State {
  explicit State(EnvoySettings given) : settings(std::move(given)) {}

  struct Held {
    Resources resources;
    std::map<std::string, std::string> versions;
    std::set<std::string> names;  // asked for; empty with `asked`: all
    bool asked = false;
    std::string version, nonce;  // of the last response
    int pushes = 0;
    std::string refuse;
  };

  void open_with(XdsType type);
  void ask(XdsType type, std::set<std::string> names);
  void send(const google::protobuf::Message& message) {
    if (stream) stream->send({make_bytes(message.SerializeAsString())});
  }
  void set_node(::envoy::config::core::v3::Node& node);
  void on_delta(const xds::DeltaDiscoveryResponse& response);
  void on_whole(const xds::DiscoveryResponse& response);
  void follow(XdsType type);

  const EnvoySettings settings;
  mutable std::mutex mutex;
  std::condition_variable changed;
  std::map<XdsType, Held> types;
  std::shared_ptr<wire::GrpcStream> stream;
  bool node_sent = false;
  bool is_closed = true;
  int received = 0;
  std::size_t received_bytes = 0;
  std::string closed_because;
  std::uint64_t session = 0;
};

class FakeEnvoy::Events final : public wire::GrpcEvents {
 public:
  Events(std::shared_ptr<State> state, std::uint64_t session) : state_(std::move(state)), session_(session) {}

  void on_message(std::string message) override {
    std::lock_guard lock(state_->mutex);
    if (session_ != state_->session) return;
    if (state_->settings.speaks == Speaks::Delta) {
      xds::DeltaDiscoveryResponse response;
      if (response.ParseFromString(message)) state_->on_delta(response);
    } else {
      xds::DiscoveryResponse response;
      if (response.ParseFromString(message)) state_->on_whole(response);
    }
    state_->changed.notify_all();
  }
  void on_closed(const wire::GrpcStatus& status) override {
    std::lock_guard lock(state_->mutex);
    if (session_ != state_->session) return;
    state_->is_closed = true;
    state_->stream.reset();
    state_->closed_because = status.message;
    state_->changed.notify_all();
  }

 private:
  std::shared_ptr<State> state_;
  std::uint64_t session_;
};

void FakeEnvoy::State::set_node(::envoy::config::core::v3::Node& node) {
  if (std::exchange(node_sent, true)) return;  // on the first message only
  node.set_id(settings.proxy.node_id());
  node.set_cluster("test");
  (void)google::protobuf::util::JsonStringToMessage(settings.metadata_json, node.mutable_metadata());
  node.set_user_agent_name("envoy");
}

void FakeEnvoy::State::ask(XdsType type, std::set<std::string> names) {
  Held& held = types[type];
  if (held.asked && held.names == names) return;
  if (settings.speaks == Speaks::Delta) {
    xds::DeltaDiscoveryRequest request;
    set_node(*request.mutable_node());
    if (request.node().id().empty()) request.clear_node();
    request.set_type_url(type_url(type));
    for (const std::string& name : names)
      if (!held.asked || !held.names.contains(name)) request.add_resource_names_subscribe(name);
    for (const std::string& name : held.names)
      if (!names.contains(name)) request.add_resource_names_unsubscribe(name);
    if (!held.asked)
      for (const auto& [name, version] : held.versions) (*request.mutable_initial_resource_versions())[name] = version;
    send(request);
  } else {
    xds::DiscoveryRequest request;
    set_node(*request.mutable_node());
    if (request.node().id().empty()) request.clear_node();
    request.set_type_url(type_url(type));
    request.set_version_info(held.version);
    request.set_response_nonce(held.nonce);
    for (const std::string& name : names) request.add_resource_names(name);
    send(request);
  }
  held.names = std::move(names);
  held.asked = true;
}

void FakeEnvoy::State::on_delta(const xds::DeltaDiscoveryResponse& response) {
  const XdsType type = type_of(response.type_url());
  Held& held = types[type];
  ++held.pushes;
  received += response.resources_size();
  xds::DeltaDiscoveryRequest answer;
  answer.set_type_url(response.type_url());
  answer.set_response_nonce(response.nonce());
  if (!held.refuse.empty()) {
    answer.mutable_error_detail()->set_code(13);
    answer.mutable_error_detail()->set_message(std::exchange(held.refuse, ""));
    return send(answer);
  }
  for (const xds::Resource& resource : response.resources()) {
    received_bytes += resource.resource().value().size();
    held.resources[resource.name()] = resource.resource().value();
    held.versions[resource.name()] = resource.version();
  }
  for (const std::string& name : response.removed_resources()) {
    held.resources.erase(name);
    held.versions.erase(name);
  }
  follow(type);  // Envoy asks for what a response refers to before it answers
  send(answer);
}

void FakeEnvoy::State::on_whole(const xds::DiscoveryResponse& response) {
  const XdsType type = type_of(response.type_url());
  Held& held = types[type];
  ++held.pushes;
  held.nonce = response.nonce();
  received += response.resources_size();
  xds::DiscoveryRequest answer;
  answer.set_type_url(response.type_url());
  answer.set_response_nonce(response.nonce());
  for (const std::string& name : held.names) answer.add_resource_names(name);
  if (!held.refuse.empty()) {
    answer.set_version_info(held.version);
    answer.mutable_error_detail()->set_message(std::exchange(held.refuse, ""));
    return send(answer);
  }
  if (type == XdsType::Cluster || type == XdsType::Listener) held.resources.clear();
  for (const google::protobuf::Any& any : response.resources()) {
    received_bytes += any.value().size();
    // All of them begin with their name, in field 1.
    const std::optional<pb::Field> name = pb::Reader(any.value()).next();
    held.resources[name ? std::string(name->bytes) : ""] = any.value();
  }
  held.version = response.version_info();
  answer.set_version_info(held.version);
  follow(type);  // Envoy asks for what a response refers to before it answers
  send(answer);
}

// What was sent refers to more.
void FakeEnvoy::State::follow(XdsType type) {
  if (type == XdsType::Cluster) {
    std::set<std::string> names;
    for (const auto& [name, bytes] : types[type].resources) {
      ::envoy::config::cluster::v3::Cluster cluster;
      if (cluster.ParseFromString(bytes) && cluster.type() == ::envoy::config::cluster::v3::Cluster::EDS)
        names.insert(name);
    }
    if (!names.empty() || types[XdsType::Endpoint].asked) ask(XdsType::Endpoint, std::move(names));
  }
  if (type == XdsType::Listener && !settings.secrets.empty()) ask(XdsType::Secret, settings.secrets);
}

FakeEnvoy::FakeEnvoy(wire::EventLoop& loop, EnvoySettings settings)
    : state_(std::make_shared<State>(std::move(settings))), loop_(loop) {}
FakeEnvoy::~FakeEnvoy() { disconnect(); }

void FakeEnvoy::connect() {
  std::lock_guard lock(state_->mutex);
  State& state = *state_;
  ++state.session;
  state.is_closed = false;
  state.node_sent = false;
  state.received = 0;
  state.received_bytes = 0;
  state.closed_because.clear();
  wire::GrpcClientSettings client;
  client.url = state.settings.url;
  client.tls.ca_pem = state.settings.ca_pem;
  client.tls.skip_verify = state.settings.ca_pem.empty();
  wire::Headers metadata;
  if (!state.settings.token.empty()) metadata.add("authorization", state.settings.token);
  const char* path = state.settings.speaks == Speaks::Delta
                         ? "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
                         : "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
  state.stream = wire::open_grpc_stream(loop_, std::move(client), path, std::move(metadata),
                                        std::make_unique<Events>(state_, state.session));
  std::map<XdsType, std::set<std::string>> asked_before;
  for (auto& [type, held] : state.types) {
    if (held.asked) asked_before[type] = held.names;
    held.asked = false;
    held.nonce.clear();
  }
  // As Envoy does: in this order, and for what it still has from before as well.
  for (const XdsType type : kXdsTypes) {
    const auto before = asked_before.find(type);
    if (before != asked_before.end())
      state.ask(type, before->second);
    else if (type == XdsType::Cluster || type == XdsType::Listener)
      state.ask(type, {});
  }
}

void FakeEnvoy::disconnect() {
  std::lock_guard lock(state_->mutex);
  ++state_->session;
  if (state_->stream) state_->stream->finish({1, "the test ends it"});
  state_->stream.reset();
  state_->is_closed = true;
}

void FakeEnvoy::refuse_next(XdsType type, std::string reason) {
  std::lock_guard lock(state_->mutex);
  state_->types[type].refuse = std::move(reason);
}

FakeEnvoy::Resources FakeEnvoy::resources(XdsType type) const {
  std::lock_guard lock(state_->mutex);
  return state_->types[type].resources;
}

int FakeEnvoy::pushes(XdsType type) const {
  std::lock_guard lock(state_->mutex);
  return state_->types[type].pushes;
}

int FakeEnvoy::pushes() const {
  std::lock_guard lock(state_->mutex);
  int sum = 0;
  for (const auto& [type, held] : state_->types) sum += held.pushes;
  return sum;
}

int FakeEnvoy::resources_received() const {
  std::lock_guard lock(state_->mutex);
  return state_->received;
}

std::size_t FakeEnvoy::bytes_received() const {
  std::lock_guard lock(state_->mutex);
  return state_->received_bytes;
}

std::string FakeEnvoy::closed_because() const {
  std::lock_guard lock(state_->mutex);
  return state_->closed_because;
}

bool FakeEnvoy::wait(const std::function<bool()>& reached) const {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);  // NOLINT(house): a test that hangs
  while (!reached()) {
    std::unique_lock lock(state_->mutex);
    const auto now = std::chrono::steady_clock::now();  // NOLINT(house)
    if (now >= deadline) return false;
    state_->changed.wait_until(lock, std::min(deadline, now + std::chrono::milliseconds(50)));
  }
  return true;
}

bool FakeEnvoy::wait_for_type(XdsType type) {
  return wait([&] { return pushes(type) > 0; });
}

std::string FakeEnvoy::endpoints(const std::string& cluster) const {
  std::string bytes;
  {
    std::lock_guard lock(state_->mutex);
    const Resources& all = state_->types[XdsType::Endpoint].resources;
    if (const auto found = all.find(cluster); found != all.end()) bytes = found->second;
  }
  ::envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  assignment.ParseFromString(bytes);
  std::set<std::string> out;
  for (const auto& locality : assignment.endpoints())
    for (const auto& endpoint : locality.lb_endpoints()) {
      const auto& address = endpoint.endpoint().address().socket_address();
      out.insert(address.address() + ":" + std::to_string(address.port_value()));
    }
  std::string text;
  for (const std::string& endpoint : out) text += (text.empty() ? "" : " ") + endpoint;
  return text;
}

bool FakeEnvoy::wait_for_endpoints(const std::string& cluster, const std::string& expected) {
  return wait([&] { return endpoints(cluster) == expected; });
}

}  // namespace mesh::flow
