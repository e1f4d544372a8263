// The whole port over real sockets: a client that speaks as Envoy and as our manager do.
#include "dpserver/dataplane_server.h"

#include <envoy/service/discovery/v3/discovery.pb.h>
#include <envoy/service/health/v3/hds.pb.h>
#include <taskmesh/proxy/v1/lifecycle.pb.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "dpserver/test_house.h"
#include "model/dataplane.h"
#include "wire/client.h"
#include "wire/grpc_channel.h"

namespace mesh {
namespace {

namespace discovery = ::envoy::service::discovery::v3;
namespace health = ::envoy::service::health::v3;
using taskmesh::proxy::v1::ProxyInstruction;
using taskmesh::proxy::v1::ProxyReport;
using test::dataplane_json;
using test::Lines;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kDelta = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr const char* kHealth = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck";
constexpr const char* kReport = "/taskmesh.proxy.v1.ProxyLifecycle/Report";

class RecordingSink final : public AdsSink {
 public:
  void on_connected(const StreamInfo& stream) override {
    newest = stream.stream;
    lines.add("connected " + stream.node.id.node_id());
  }
  void on_sent(StreamId, XdsType, const std::string&) override {}
  void on_acknowledged(StreamId, XdsType, const std::string&) override { lines.add("acknowledged"); }
  void on_refused(StreamId, XdsType, const std::string&, const std::string& reason) override {
    lines.add("refused: " + reason);
  }
  void on_holds(StreamId, XdsType, std::uint64_t) override {}
  void on_disconnected(StreamId) override { lines.add("disconnected"); }
  Lines lines;
  std::atomic<StreamId> newest = 0;
};

// The client's end of a stream: messages as they come, and how it ended.
struct Client {
  std::shared_ptr<wire::GrpcStream> stream;
  std::shared_ptr<Lines> messages = std::make_shared<Lines>();
  std::shared_ptr<Lines> ends = std::make_shared<Lines>();

  void says(const google::protobuf::MessageLite& message) const {
    stream->send({make_bytes(message.SerializeAsString())});
  }
  template <class Message>
  Message hears(std::size_t number) const {
    Message message;
    const auto all = messages->wait_for(number);
    EXPECT_GE(all.size(), number);
    if (all.size() >= number) {
      EXPECT_TRUE(message.ParseFromString(all[number - 1]));
    }
    return message;
  }
  std::string ended() const {
    const auto all = ends->wait_for(1);
    return all.empty() ? "still open" : all[0];
  }
};
struct ClientEvents final : wire::GrpcEvents {
  ClientEvents(std::shared_ptr<Lines> messages_in, std::shared_ptr<Lines> ends_in)
      : messages(std::move(messages_in)), ends(std::move(ends_in)) {}
  void on_message(std::string message) override { messages->add(std::move(message)); }
  void on_closed(const wire::GrpcStatus& status) override {
    ends->add(std::to_string(status.code) + " " + status.message);
  }
  std::shared_ptr<Lines> messages, ends;
};

class DataplaneServerTest : public testing::Test {
 protected:
  DataplaneServerTest() {
    work_dir = std::filesystem::temp_directory_path() / ("dpserver_test_" + std::to_string(getpid()));
    std::filesystem::remove_all(work_dir);
    std::filesystem::create_directories(work_dir);
  }
  ~DataplaneServerTest() override {
    loop->stop();
    loop->wait();
    server.reset();
    loop.reset();
    std::filesystem::remove_all(work_dir);
  }
  void start(ProxyAuthentication authentication = ProxyAuthentication::Token) {
    DataplaneServerSettings settings;
    settings.address = "127.0.0.1";
    settings.port = 0;
    settings.work_dir = work_dir;
    settings.workers = 2;
    settings.authentication = authentication;
    server = std::make_unique<DataplaneServer>(
        settings, DataplaneServerNeeds{*loop, house.store, house.admission, house.kinds, house.secrets, house.clock,
                                       sink, liveness});
    const auto listening = server->listen();
    ASSERT_TRUE(listening.has_value()) << listening.error().message();
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(server->port()); }
  wire::GrpcClientSettings client_settings() const {
    wire::GrpcClientSettings settings;
    settings.url = url();
    settings.tls.ca_pem = server->certificate_pem();
    return settings;
  }
  static Client open_over(const std::shared_ptr<wire::GrpcChannel>& channel, const char* path) {
    Client client;
    client.stream = channel->open(path, {}, std::make_unique<ClientEvents>(client.messages, client.ends));
    return client;
  }
  Client open(const char* path, const Secret& token = Secret()) {
    Client client;
    wire::Headers metadata;
    if (!token.empty()) metadata.add("authorization", token.reveal());
    client.stream = wire::open_grpc_stream(*loop, client_settings(), path, metadata,
                                           std::make_unique<ClientEvents>(client.messages, client.ends));
    return client;
  }
  static discovery::DeltaDiscoveryRequest clusters(const std::string& name, const std::string& dataplane = "") {
    discovery::DeltaDiscoveryRequest request;
    request.set_type_url(type_url(XdsType::Cluster));
    request.mutable_node()->set_id("default." + name);
    if (!dataplane.empty()) {
      (*request.mutable_node()->mutable_metadata()->mutable_fields())["dataplane.resource"].set_string_value(dataplane);
    }
    return request;
  }
  void offer(const std::string& name, const std::string& version) {
    Offer offer{.number = 1, .resources = {}};
    google::protobuf::Any any;
    any.set_type_url(type_url(XdsType::Cluster));
    offer.resources[XdsType::Cluster] = std::make_shared<const NamedResourceList>(
        NamedResourceList{make_named(name, version, make_bytes(any.SerializeAsString()))});
    server->ads().offer(sink.newest, std::move(offer));
  }

  test::House house;
  RecordingSink sink;
  test::RecordingLiveness liveness;
  std::filesystem::path work_dir;
  std::unique_ptr<wire::EventLoop> loop = std::make_unique<wire::EventLoop>(2);
  std::unique_ptr<DataplaneServer> server;
};

TEST_F(DataplaneServerTest, AProxyRegistersGetsItsConfigurationAndAcknowledgesIt) {
  start();
  const Client envoy = open(kDelta, house.token({}));
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  EXPECT_THAT(sink.lines.wait_for(1), ElementsAre("connected default.web-1"));
  EXPECT_TRUE(house.store.get({&kDataplaneKind, "default", "web-1"}).has_value());
  offer("backend", "1");
  const auto pushed = envoy.hears<discovery::DeltaDiscoveryResponse>(1);
  EXPECT_EQ(pushed.resources(0).name(), "backend");
  discovery::DeltaDiscoveryRequest answer;
  answer.set_type_url(type_url(XdsType::Cluster));
  answer.set_response_nonce(pushed.nonce());
  envoy.says(answer);
  EXPECT_THAT(sink.lines.wait_for(2), Contains("acknowledged"));
  envoy.stream->finish({});
  EXPECT_THAT(sink.lines.wait_for(3), Contains("disconnected"));
}

TEST_F(DataplaneServerTest, AProxyComesBackWhileItsOldStreamIsStillOpen) {
  start();
  const auto token = house.token({});
  const Client old = open(kDelta, token);
  old.says(clusters("web-1", dataplane_json("web-1", "web")));
  sink.lines.wait_for(1);
  const Client again = open(kDelta, token);
  again.says(clusters("web-1", dataplane_json("web-1", "web")));
  EXPECT_THAT(sink.lines.wait_for(2), ElementsAre("connected default.web-1", "connected default.web-1"));
  offer("backend", "1");
  EXPECT_EQ(again.hears<discovery::DeltaDiscoveryResponse>(1).resources_size(), 1);
}

TEST_F(DataplaneServerTest, AProxyWithoutATokenIsToldToHaveOne) {
  start();
  const Client envoy = open(kDelta);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  EXPECT_THAT(envoy.ended(), HasSubstr("16 "));
  EXPECT_FALSE(house.store.get({&kDataplaneKind, "default", "web-1"}).has_value());
}

TEST_F(DataplaneServerTest, AProxyWhoseTokenIsForAnotherServiceIsDenied) {
  start();
  const auto token =
      house.token({.name = "", .mesh = "", .tags = {{"kuma.io/service", {"db"}}}, .type = "", .workload = ""});
  const Client envoy = open(kDelta, token);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  EXPECT_THAT(envoy.ended(), testing::AllOf(HasSubstr("7 "), HasSubstr("kuma.io/service")));
}

TEST_F(DataplaneServerTest, AnUnknownProxyThatBringsNothingIsNotFound) {
  start(ProxyAuthentication::None);
  const Client envoy = open(kDelta);
  envoy.says(clusters("web-1"));
  EXPECT_THAT(envoy.ended(), HasSubstr("5 "));
}

TEST_F(DataplaneServerTest, TheHealthStreamTellsWhatToProbeAndIsHeard) {
  start();
  const Client envoy = open(kHealth, house.token({}));
  health::HealthCheckRequestOrEndpointHealthResponse hello;
  hello.mutable_health_check_request()->mutable_node()->set_id("default.web-1");
  (*hello.mutable_health_check_request()->mutable_node()->mutable_metadata()->mutable_fields())["dataplane.resource"]
      .set_string_value(dataplane_json("web-1", "web", "default", true));
  envoy.says(hello);
  const auto told = envoy.hears<health::HealthCheckSpecifier>(1);
  ASSERT_EQ(told.cluster_health_checks_size(), 2);

  health::HealthCheckRequestOrEndpointHealthResponse found;
  for (const auto& check : told.cluster_health_checks()) {
    auto& cluster = *found.mutable_endpoint_health_response()->add_cluster_endpoints_health();
    cluster.set_cluster_name(check.cluster_name());
    cluster.add_locality_endpoints_health()->add_endpoints_health()->set_health_status(
        check.cluster_name() == "localhost:5050" ? envoy::config::core::v3::UNHEALTHY
                                                 : envoy::config::core::v3::HEALTHY);
  }
  envoy.says(found);
  envoy.says(found);  // the same again is no news
  EXPECT_THAT(liveness.lines.wait_for(2),
              ElementsAre("health stream of default.web-1 connected", "health stream: default.web-1 ready, not 8080"));
  // Once it was ready, it need not report as often.
  EXPECT_EQ(envoy.hears<health::HealthCheckSpecifier>(2).interval().seconds(), 5);
  envoy.stream->finish({});
  EXPECT_THAT(liveness.lines.wait_for(3), Contains("health stream of default.web-1 disconnected"));
}

TEST_F(DataplaneServerTest, AChangedDataplaneChangesWhatIsProbed) {
  start(ProxyAuthentication::None);
  const Client envoy = open(kDelta);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  sink.lines.wait_for(1);
  const Client probe = open(kHealth);
  health::HealthCheckRequestOrEndpointHealthResponse hello;
  hello.mutable_health_check_request()->mutable_node()->set_id("default.web-1");
  probe.says(hello);
  EXPECT_EQ(probe.hears<health::HealthCheckSpecifier>(1).cluster_health_checks_size(), 1);
  const Client again = open(kDelta);
  again.says(clusters("web-1", dataplane_json("web-1", "web", "default", true)));
  EXPECT_EQ(probe.hears<health::HealthCheckSpecifier>(2).cluster_health_checks_size(), 2);
}

ProxyReport report(ProxyReport::State state, std::uint64_t sequence) {
  ProxyReport report;
  if (sequence == 1) {
    report.set_mesh("default");
    report.set_name("web-1");
  }
  report.set_sequence(sequence);
  report.set_state(state);
  return report;
}

TEST_F(DataplaneServerTest, AManagerMayReportBeforeItsProxyHasRegistered) {
  start();
  const auto token = house.token({});
  const Client manager = open(kReport, token);
  manager.says(report(ProxyReport::STARTING, 1));
  const Client envoy = open(kDelta, token);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  EXPECT_THAT(liveness.lines.wait_for(2),
              ElementsAre("manager of default.web-1 connected", "manager: default.web-1 not ready"));
  EXPECT_EQ(manager.hears<ProxyInstruction>(1).sequence(), 1u);
}

TEST_F(DataplaneServerTest, AGoodbyeIsConfirmedWhenTheProxyWasWithdrawn) {
  start();
  const auto token = house.token({});
  const Client envoy = open(kDelta, token);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  sink.lines.wait_for(1);
  const Client manager = open(kReport, token);
  manager.says(report(ProxyReport::READY, 1));
  manager.says(report(ProxyReport::LEAVING, 2));
  EXPECT_THAT(liveness.lines.wait_for(3), ElementsAre("manager of default.web-1 connected",
                                                      "manager: default.web-1 ready", "default.web-1 leaves"));
  EXPECT_FALSE(manager.hears<ProxyInstruction>(2).withdrawn());
  {
    std::lock_guard lock(liveness.mutex);
    liveness.confirm();
  }
  const auto confirmed = manager.hears<ProxyInstruction>(3);
  EXPECT_TRUE(confirmed.withdrawn());
  EXPECT_EQ(confirmed.sequence(), 2u);
}

TEST_F(DataplaneServerTest, AManagerNeedsTheTokenOfItsProxy) {
  start();
  const Client envoy = open(kDelta, house.token({}));
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  sink.lines.wait_for(1);
  const Client nobody = open(kReport);
  nobody.says(report(ProxyReport::LEAVING, 1));
  EXPECT_THAT(nobody.ended(), HasSubstr("16 "));
  const Client other = open(kReport, house.token({.name = "db-1", .mesh = "", .tags = {}, .type = "", .workload = ""}));
  other.says(report(ProxyReport::LEAVING, 1));
  EXPECT_THAT(other.ended(), HasSubstr("7 "));
  EXPECT_TRUE(liveness.lines.wait_for(0).empty());
}

TEST_F(DataplaneServerTest, WhenItStopsProxiesAreSentElsewhereAndNotTakenForGone) {
  start(ProxyAuthentication::None);
  const Client envoy = open(kDelta), manager = open(kReport);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  sink.lines.wait_for(1);
  ProxyReport report;
  report.set_mesh("default");
  report.set_name("web-1");
  report.set_sequence(1);
  report.set_state(ProxyReport::READY);
  manager.says(report);
  liveness.lines.wait_for(2);

  std::promise<void> drained;
  server->drain(std::chrono::hours(1), [&] { drained.set_value(); });
  EXPECT_THAT(envoy.ends->wait_for(1), ElementsAre(HasSubstr("this control plane stops")));
  EXPECT_THAT(manager.ends->wait_for(1), ElementsAre(HasSubstr("this control plane stops")));
  drained.get_future().wait();
  EXPECT_THAT(sink.lines.wait_for(1), ElementsAre("connected default.web-1"));
  EXPECT_THAT(liveness.lines.wait_for(2),
              ElementsAre("manager of default.web-1 connected", "manager: default.web-1 ready"));
}

TEST_F(DataplaneServerTest, WhoWaitsToBeLetInWhenItStopsIsSentElsewhereToo) {
  start(ProxyAuthentication::None);
  const auto channel = wire::GrpcChannel::make(*loop, client_settings());
  const Client manager = open_over(channel, kReport), envoy = open_over(channel, kDelta);
  ProxyReport early;
  early.set_mesh("default");
  early.set_name("web-2");  // which nobody has registered
  manager.says(early);
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  sink.lines.wait_for(1);  // so the word of the manager has come, too

  std::promise<void> drained;
  server->drain(std::chrono::hours(1), [&] { drained.set_value(); });
  EXPECT_THAT(manager.ends->wait_for(1), ElementsAre(HasSubstr("this control plane stops")));
  EXPECT_THAT(envoy.ends->wait_for(1), ElementsAre(HasSubstr("this control plane stops")));
  drained.get_future().wait();
  EXPECT_TRUE(liveness.lines.wait_for(0).empty());
}

TEST_F(DataplaneServerTest, GarbageOnAnyStreamEndsItAndNothingElse) {
  start();
  for (const char* path : {kDelta, kHealth, kReport}) {
    const Client client = open(path, house.token({}));
    client.stream->send({make_bytes("\xff\xff\xff garbage")});
    EXPECT_THAT(client.ended(), HasSubstr("3 ")) << path;
  }
  const Client envoy = open(kDelta, house.token({}));
  envoy.says(clusters("web-1", dataplane_json("web-1", "web")));
  EXPECT_THAT(sink.lines.wait_for(1), ElementsAre("connected default.web-1"));
}

TEST_F(DataplaneServerTest, OtherPathsAndMethodsAreRefused) {
  start();
  wire::ClientRequest request;
  request.tls.ca_pem = server->certificate_pem();
  request.url = url() + "/bootstrap";
  EXPECT_EQ(wire::fetch_and_wait(request)->status, 405);
  request.url = url() + "/meshes";
  EXPECT_EQ(wire::fetch_and_wait(request)->status, 404);
}

TEST_F(DataplaneServerTest, TheCertificateIsMadeOnceAndKept) {
  start();
  const std::string first = server->certificate_pem();
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(std::filesystem::status(work_dir / "dp-server.key").permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  start();
  EXPECT_EQ(server->certificate_pem(), first);
}

}  // namespace
}  // namespace mesh
