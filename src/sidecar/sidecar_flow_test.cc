// The whole sidecar against a control plane and an Envoy that are played: real sockets on loopback, no programs.
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <set>

#include "base/encoding.h"
#include "identity/certificates.h"
#include "sidecar/bootstrap.h"
#include "sidecar/sidecar.h"
#include "taskmesh/proxy/v1/lifecycle.pb.h"
#include "wire/client.h"
#include "wire/server.h"

namespace mesh::sidecar {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace json = boost::json;
namespace proto = taskmesh::proxy::v1;

constexpr const char* kDeltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

// What several threads write and the test waits for.
class Witness {
 public:
  void saw(const std::string& what) {
    std::lock_guard lock(mutex_);
    seen_.push_back(what);
    changed_.notify_all();
  }
  // Whether it was seen, now or within a time that only a failing test uses up.
  bool has(const std::string& what, int times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 20s, [&] { return std::count(seen_.begin(), seen_.end(), what) >= times; });
  }
  std::vector<std::string> seen() {
    std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
};

// The admin interface of an Envoy.
struct FakeAdmin {
  explicit FakeAdmin(wire::EventLoop& loop, Witness& witness_in) : witness(witness_in) {
    server =
        wire::Server::listen(loop, {.name = "admin", .address = "127.0.0.1", .port = 0, .limits = {}},
                             [this](const wire::Request& request, wire::Respond respond) { respond(answer(request)); })
            .value();
  }
  wire::Response answer(const wire::Request& request) {
    if (request.method == "POST") witness.saw(request.path);
    wire::Response response;
    if (request.path == "/ready") {
      response.status = live ? 200 : 503;
      response.body = live ? "LIVE\n" : "PRE_INITIALIZING\n";
    }
    if (request.path == "/stats")
      response.body = "listener.127.0.0.1_" + std::to_string(inbound_port) +
                      ".downstream_cx_active: " + std::to_string(active.load()) + "\n";
    return response;
  }
  Witness& witness;
  std::atomic<bool> live = true;
  std::atomic<long> active = 0;
  int inbound_port = 0;
  std::unique_ptr<wire::Server> server;
};

// Envoy as a process that does what the test says.
class FakeRunner final : public ProcessRunner {
 public:
  explicit FakeRunner(Witness& witness) : witness_(witness) {}
  Result<std::unique_ptr<Process>> start(const std::string&, const std::vector<std::string>& arguments,
                                         const wire::Strand& strand, ProcessEvents events) override {
    const bool version = arguments.front() == "--version";
    auto shared = std::make_shared<ProcessEvents>(std::move(events));
    if (version) {
      witness_.saw("asked for its version");
      strand.post([shared, says = says] {
        shared->on_line(says);
        shared->on_ended({});
      });
    } else {
      strand_ = strand;
      envoy_ = shared;
      witness_.saw("Envoy started");
    }
    return std::unique_ptr<Process>(std::make_unique<FakeProcess>(*this));
  }
  std::string says = "envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL";
  void end(ProcessEnd end) {
    strand_.post([shared = envoy_, end] { shared->on_ended(end); });
  }

 private:
  struct FakeProcess final : Process {
    explicit FakeProcess(FakeRunner& runner_in) : runner(runner_in) {}
    int pid() const override { return 4711; }
    void send_signal(int number) override {
      runner.witness_.saw("signal " + std::to_string(number));
      runner.end({});
    }
    FakeRunner& runner;
  };
  Witness& witness_;
  wire::Strand strand_;
  std::shared_ptr<ProcessEvents> envoy_;
};

class SidecarFlow : public testing::Test {
 protected:
  SidecarFlow() {
    certificate =
        make_self_signed(
            {.common_name = "cp", .dns_names = {}, .ip_addresses = {"127.0.0.1"}, .uris = {}, .valid_for = 1h},
            KeyType::EcdsaP256, real_clock())
            .value();
    admin = std::make_unique<FakeAdmin>(loop, witness);
    admin_port = admin->server->port();
    inbound = wire::Server::listen(loop, {.name = "inbound", .address = "127.0.0.1", .port = 0, .limits = {}},
                                   [](const wire::Request&, wire::Respond respond) { respond({}); })
                  .value();
    admin->inbound_port = inbound->port();
    settings.resource =
        "type: Dataplane\nmesh: default\nname: kv-1\nnetworking: {address: 127.0.0.1, inbound: [{port: " +
        std::to_string(inbound->port()) + ", tags: {kuma.io/service: kv}}]}\n";
    settings.binary_path = "/bin/true";
    settings.ca_cert = certificate.certificate_pem;
    settings.token = Secret("e30.e30.c2ln");
    settings.readiness_port = static_cast<std::uint32_t>(free_port());
    settings.retry_backoff = 20ms;
  }

  void TearDown() override {  // as in a program: everything is taken down when no thread runs any more
    loop.stop();
    loop.wait();
  }

  int free_port() {
    auto server = wire::Server::listen(loop, {.name = "free", .address = "127.0.0.1", .port = 0, .limits = {}},
                                       [](const wire::Request&, wire::Respond respond) { respond({}); })
                      .value();
    return server->port();
  }

  void start_control_plane() {
    wire::GrpcServices services;
    if (takes_reports) {
      services["/taskmesh.proxy.v1.ProxyLifecycle/Report"] = [this](std::shared_ptr<wire::GrpcStream> stream) {
        return std::make_unique<ReportReceiver>(*this, std::move(stream));
      };
    }
    services[kDeltaPath] = [this](std::shared_ptr<wire::GrpcStream> stream) {
      witness.saw("discovery of " + std::string(stream->headers().find("authorization").value_or("none")));
      witness.saw("discovery over " + std::to_string(stream->peer().port));
      return std::make_unique<DiscoveryReceiver>(std::move(stream));
    };
    control_plane =
        wire::Server::listen_tls(
            loop, {.name = "cp", .address = "127.0.0.1", .port = 0, .limits = {}},
            {.certificate_pem = certificate.certificate_pem,
             .key_pem = certificate.key_pem.reveal(),
             .client_ca_pem = {},
             .cipher_suites = {}},
            [this](const wire::Request& request, wire::Respond respond) { respond(answer_bootstrap(request)); },
            services)
            .value();
    settings.cp_address = "https://127.0.0.1:" + std::to_string(control_plane->port());
  }

  wire::Response answer_bootstrap(const wire::Request& request) {
    asked = request;
    witness.saw("bootstrap");
    wire::Response response;
    if (refuse_times-- > 0) {
      response.status = refuse_status;
      response.body = "mesh: mesh \"default\" does not exist";
      return response;
    }
    std::string yaml =
        "admin:\n  address:\n    socketAddress: {address: 127.0.0.1, portValue: " + std::to_string(admin_port) + "}\n";
    if (const std::string socket = offered_socket(); carries && !socket.empty())
      yaml +=
          "staticResources: {clusters: [{loadAssignment: {endpoints: [{lbEndpoints: [{endpoint: {address: {pipe: "
          "{path: " +
          socket + "}}}}]}]}}]}\n";
    if (!is_stock) response.headers.add(kNeedsNoVersion, "1");
    response.body =
        json::serialize(json::value{{"bootstrap", base64_encode(yaml)}, {"kumaSidecarConfiguration", json::object()}});
    return response;
  }

  std::string offered_socket() const {
    const auto body = json::parse(asked.body);
    const auto* socket = body.as_object().if_contains(kDiscoverySocket);
    return socket == nullptr ? std::string() : std::string(socket->as_string());
  }

  // Says of each stream of discovery who came and over which connection, and sends back what comes.
  struct DiscoveryReceiver final : wire::GrpcEvents {
    explicit DiscoveryReceiver(std::shared_ptr<wire::GrpcStream> stream_in) : stream(std::move(stream_in)) {}
    void on_message(std::string message) override { stream->send({make_bytes("<" + message + ">")}); }
    void on_closed(const wire::GrpcStatus&) override { stream.reset(); }
    std::shared_ptr<wire::GrpcStream> stream;
  };
  // An Envoy that has found the socket in its bootstrap.
  struct DiscoveryStream final : wire::GrpcEvents {
    explicit DiscoveryStream(Witness& witness_in) : witness(witness_in) {}
    void on_message(std::string message) override { witness.saw("Envoy got " + message); }
    void on_closed(const wire::GrpcStatus& status) override {
      witness.saw("Envoy's stream ended with " + std::to_string(status.code));
    }
    Witness& witness;
  };
  void open_discovery() {
    discovery = wire::open_grpc_stream(loop, {.url = "http://any:1", .unix_socket = offered_socket(), .tls = {}},
                                       kDeltaPath, {}, std::make_unique<DiscoveryStream>(witness));
    discovery->send({make_bytes("clusters")});
  }

  struct ReportReceiver final : wire::GrpcEvents {
    ReportReceiver(SidecarFlow& test_in, std::shared_ptr<wire::GrpcStream> stream_in)
        : test(test_in), stream(std::move(stream_in)) {
      test.witness.saw("authorization " + std::string(stream->headers().find("authorization").value_or("none")));
      test.witness.saw("report over " + std::to_string(stream->peer().port));
    }
    void on_message(std::string message) override {
      proto::ProxyReport report;
      ASSERT_TRUE(report.ParseFromString(message));
      if (report.sequence() == 1) test.witness.saw("hello " + report.mesh() + "/" + report.name());
      test.witness.saw(proto::ProxyReport::State_Name(report.state()));
      proto::ProxyInstruction instruction;
      instruction.set_sequence(report.sequence());
      instruction.set_withdrawn(test.confirms && report.state() == proto::ProxyReport::LEAVING);
      stream->send({make_bytes(instruction.SerializeAsString())});
    }
    void on_closed(const wire::GrpcStatus&) override {
      test.witness.saw("stream closed");
      stream.reset();
    }
    SidecarFlow& test;
    std::shared_ptr<wire::GrpcStream> stream;
  };

  Status start() {
    sidecar.emplace(
        Surroundings{
            .loop = loop, .clock = real_clock(), .processes = runner, .search_path = "/bin", .own_program = "/bin/x"},
        settings, [this](int code) { witness.saw("exit " + std::to_string(code)); });
    return sidecar->start();
  }

  wire::Response readiness() {
    wire::ClientRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(settings.readiness_port) + "/ready";
    return wire::fetch_and_wait(request).value_or(wire::Response{.status = 0, .headers = {}, .body = {}});
  }

  Witness witness;
  wire::EventLoop loop{2};
  KeyPair certificate;
  Settings settings;
  bool takes_reports = true;
  bool is_stock = false;  // the control plane
  bool carries = true;
  std::atomic<bool> confirms = true;
  std::atomic<int> refuse_times = 0;
  int refuse_status = 422;
  wire::Request asked;
  std::unique_ptr<FakeAdmin> admin;
  int admin_port = 0;
  std::unique_ptr<wire::Server> inbound, control_plane;
  FakeRunner runner{witness};
  std::shared_ptr<wire::GrpcStream> discovery;
  std::optional<Sidecar> sidecar;
};

TEST_F(SidecarFlow, CarriesDiscoveryOverTheConnectionOfBootstrapAndReports) {
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  open_discovery();
  EXPECT_TRUE(witness.has("Envoy got <clusters>"));
  const std::string port = std::to_string(asked.peer.port);
  EXPECT_TRUE(witness.has("report over " + port));
  EXPECT_TRUE(witness.has("discovery over " + port));
  EXPECT_TRUE(witness.has("discovery of e30.e30.c2ln")) << "the manager's credential, which Envoy does not have";

  control_plane.reset();
  EXPECT_TRUE(witness.has("Envoy's stream ended with 14")) << "and Envoy comes back by itself";
}

TEST_F(SidecarFlow, OffersNoSocketWhenItIsNotToCarry) {
  settings.carry_discovery = false;
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  EXPECT_EQ(offered_socket(), "");
}

TEST_F(SidecarFlow, OpensNoSocketForAControlPlaneThatOverlooksTheOffer) {
  carries = false;
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  ASSERT_NE(offered_socket(), "");
  EXPECT_FALSE(std::filesystem::exists(offered_socket()));
}

TEST_F(SidecarFlow, BecomesReadyAndLeavesInGoodOrder) {
  start_control_plane();
  ASSERT_TRUE(start());
  EXPECT_TRUE(witness.has("Envoy started"));
  EXPECT_TRUE(witness.has("hello default/kv-1"));
  EXPECT_TRUE(witness.has("authorization e30.e30.c2ln"));
  EXPECT_TRUE(witness.has("READY"));
  EXPECT_EQ(readiness().body, "READY");
  EXPECT_EQ(json::parse(asked.body).at("dataplaneToken"), "e30.e30.c2ln");

  sidecar->on_signal(SIGTERM);
  EXPECT_TRUE(witness.has("LEAVING"));
  EXPECT_TRUE(witness.has("/drain_listeners"));
  EXPECT_TRUE(witness.has("exit 0"));
  EXPECT_THAT(witness.seen(), testing::IsSupersetOf({"/healthcheck/fail", "/drain_listeners", "signal 15"}));
}

TEST_F(SidecarFlow, WaitsWithReadyUntilTheInboundTakesConnections) {
  start_control_plane();
  inbound.reset();
  ASSERT_TRUE(start());
  EXPECT_TRUE(witness.has("STARTING", 2)) << "the second one says which inbound is missing";
  EXPECT_EQ(readiness().status, 503);
  EXPECT_THAT(witness.seen(), testing::Not(testing::Contains("READY")));
}

TEST_F(SidecarFlow, AsksAgainUntilTheControlPlaneAnswers) {
  refuse_times = 3;
  refuse_status = 503;
  start_control_plane();
  ASSERT_TRUE(start());
  EXPECT_TRUE(witness.has("bootstrap", 4));
  EXPECT_TRUE(witness.has("READY"));
}

TEST_F(SidecarFlow, AsksNoEnvoyForItsVersionThatTellsItToTheControlPlaneItself) {
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  EXPECT_THAT(witness.seen(), testing::Not(testing::Contains("asked for its version")));
}

TEST_F(SidecarFlow, TellsAStockControlPlaneTheVersionOfEnvoy) {
  is_stock = true;
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("Envoy started"));
  EXPECT_EQ(json::parse(asked.body).at("version").at("envoy").at("version"), "1.40.0");
  EXPECT_TRUE(witness.has("READY"));
}

TEST_F(SidecarFlow, SaysThatAProgramIsNotEnvoyWhenItHasEnded) {
  runner.says = "GNU bash, version 5.2.15";
  admin->server.reset();  // nobody answers as Envoy does
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("Envoy started"));
  runner.end({});
  EXPECT_TRUE(witness.has("asked for its version"));
  EXPECT_TRUE(witness.has("exit 1"));
}

TEST_F(SidecarFlow, GivesUpWhenItIsRefused) {
  refuse_times = 1;
  start_control_plane();
  ASSERT_TRUE(start());
  EXPECT_TRUE(witness.has("exit 1"));
  EXPECT_THAT(witness.seen(), testing::Not(testing::Contains("Envoy started")));
}

TEST_F(SidecarFlow, ReportsEnvoysEndBeforeItEndsItself) {
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  runner.end({.exit_code = 0, .signal = SIGKILL});
  EXPECT_TRUE(witness.has("LEAVING"));
  EXPECT_TRUE(witness.has("exit 137"));
}

TEST_F(SidecarFlow, ReportsAgainToAControlPlaneThatComesBack) {
  start_control_plane();
  const int port = control_plane->port();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  control_plane.reset();
  EXPECT_TRUE(witness.has("stream closed"));
  wire::GrpcServices services;
  services["/taskmesh.proxy.v1.ProxyLifecycle/Report"] = [this](std::shared_ptr<wire::GrpcStream> stream) {
    return std::make_unique<ReportReceiver>(*this, std::move(stream));
  };
  control_plane = wire::Server::listen_tls(
                      loop, {.name = "cp", .address = "127.0.0.1", .port = port, .limits = {}},
                      {.certificate_pem = certificate.certificate_pem,
                       .key_pem = certificate.key_pem.reveal(),
                       .client_ca_pem = {},
                       .cipher_suites = {}},
                      [](const wire::Request&, wire::Respond respond) { respond({}); }, services)
                      .value();
  EXPECT_TRUE(witness.has("hello default/kv-1", 2)) << "a new stream begins with who we are";
  EXPECT_TRUE(witness.has("READY", 2)) << "and with how it stands";
}

TEST_F(SidecarFlow, DoesWithoutReportsWhenTheControlPlaneIsAStockOne) {
  takes_reports = false;
  settings.drain_time = 1s;
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("Envoy started"));
  sidecar->on_signal(SIGTERM);
  EXPECT_TRUE(witness.has("/healthcheck/fail")) << "this is how it hears of our end";
  EXPECT_TRUE(witness.has("exit 0"));
}

TEST_F(SidecarFlow, StopsInItsTimeWithAConnectionThatNeverEnds) {
  settings.drain_time = 1s;
  start_control_plane();
  ASSERT_TRUE(start());
  ASSERT_TRUE(witness.has("READY"));
  admin->active = 1;
  sidecar->on_signal(SIGTERM);
  EXPECT_TRUE(witness.has("exit 0"));
}

TEST_F(SidecarFlow, DoesNotStartWithAReadinessPortThatIsTaken) {
  start_control_plane();
  settings.readiness_port = static_cast<std::uint32_t>(inbound->port());
  const auto started = start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(),
              testing::AllOf(HasSubstr("KUMA_READINESS_PORT"), HasSubstr(std::to_string(inbound->port()))));
}

}  // namespace
}  // namespace mesh::sidecar
