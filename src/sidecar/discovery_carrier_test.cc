#include "sidecar/discovery_carrier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "base/bytes.h"
#include "wire/client.h"
#include "wire/test_peers.h"

namespace mesh::sidecar {
namespace {

constexpr const char* kDelta = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr const char* kHealth = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck";
constexpr int kUnimplemented = 12, kUnavailable = 14, kDenied = 7;

using wire::test::Box;
using wire::test::Heard;
using wire::test::Listener;

// One end of a stream.
struct End {
  void say(std::string text) const { stream->send({make_bytes(std::move(text))}); }
  std::shared_ptr<wire::GrpcStream> stream;
  std::shared_ptr<Heard> seen = std::make_shared<Heard>();
};

class DiscoveryCarrierTest : public testing::Test {
 protected:
  DiscoveryCarrierTest() {
    std::filesystem::create_directories(folder);
    serve();
    channel =
        wire::GrpcChannel::make(loop, {.url = "http://127.0.0.1:" + std::to_string(control_plane->port()), .tls = {}});
    auto made = DiscoveryCarrier::listen(loop, DiscoveryCarrier::socket_in(folder), channel,
                                         [this] { return Secret("token " + std::to_string(++reads)); });
    carrier = std::move(made).value();
  }
  ~DiscoveryCarrierTest() override {
    carrier.reset();
    std::filesystem::remove_all(folder);
  }

  void serve(int port = 0) {
    wire::GrpcServices services;
    for (const char* path : {kDelta, kHealth, "/taskmesh.proxy.v1.ProxyLifecycle/Report"}) {
      services[path] = [this](std::shared_ptr<wire::GrpcStream> stream) {
        End end{.stream = std::move(stream)};
        arrived.put(end);
        return std::make_unique<Listener>(end.seen);
      };
    }
    control_plane = wire::Server::listen(
                        loop, {.name = "cp", .address = "127.0.0.1", .port = port, .limits = {}},
                        [](const wire::Request&, wire::Respond respond) { respond({}); }, services)
                        .value();
  }
  End open(const std::string& path = kDelta) {
    End end;
    end.stream = wire::open_grpc_stream(
        loop, {.url = "http://any:1", .unix_socket = DiscoveryCarrier::socket_in(folder), .tls = {}}, path, {},
        std::make_unique<Listener>(end.seen));
    return end;
  }

  const std::string folder = testing::TempDir() + "carrier-" + std::to_string(::getpid());
  std::atomic<int> reads = 0;
  Box<End> arrived;
  wire::EventLoop loop{2};
  std::unique_ptr<wire::Server> control_plane;
  std::shared_ptr<wire::GrpcChannel> channel;
  std::unique_ptr<DiscoveryCarrier> carrier;
};

TEST_F(DiscoveryCarrierTest, MessagesGoBothWaysUnderTheManagersCredential) {
  const End envoy = open();
  envoy.say("I have 3 clusters");
  const End there = arrived.take();
  EXPECT_EQ(there.stream->headers().find("authorization"), "token 1");
  EXPECT_EQ(there.seen->messages.take(), "I have 3 clusters");
  there.say("here is the 4th");
  EXPECT_EQ(envoy.seen->messages.take(), "here is the 4th");
  there.say("");
  EXPECT_EQ(envoy.seen->messages.take(), "");
}

TEST_F(DiscoveryCarrierTest, AllStreamsShareOneConnectionAndTheCredentialIsReadForEach) {
  const End reports = {.stream = channel->open("/taskmesh.proxy.v1.ProxyLifecycle/Report", {},
                                               std::make_unique<Listener>(std::make_shared<Heard>()))};
  const End first = arrived.take();
  const End discovery = open(), health = open(kHealth);
  std::set<std::string> tokens;
  for (const End& there : {arrived.take(), arrived.take()}) {
    EXPECT_EQ(there.stream->peer().port, first.stream->peer().port);
    tokens.emplace(there.stream->headers().find("authorization").value_or("none"));
  }
  EXPECT_THAT(tokens, testing::ElementsAre("token 1", "token 2"));
  EXPECT_EQ(control_plane->connection_count(), 1U);
}

TEST_F(DiscoveryCarrierTest, WhatTheControlPlaneSaysAtTheEndIsPassedOn) {
  const End envoy = open();
  arrived.take().stream->finish({kDenied, "this token is not for you"});
  const wire::GrpcStatus status = envoy.seen->closed.take();
  EXPECT_EQ(status.code, kDenied);
  EXPECT_EQ(status.message, "this token is not for you");
}

TEST_F(DiscoveryCarrierTest, WhatEnvoyEndsIsEndedAtTheControlPlane) {
  const End envoy = open();
  const End there = arrived.take();
  envoy.stream->finish({});
  EXPECT_TRUE(there.seen->half_closed.take());
  there.stream->finish({});
  EXPECT_EQ(envoy.seen->closed.take().code, 0);

  const End broken = open();
  const End its_other_end = arrived.take();
  broken.stream->finish({1, "Envoy was killed"});
  EXPECT_NE(its_other_end.seen->closed.take().code, 0);
}

TEST_F(DiscoveryCarrierTest, NothingElseOfTheControlPlaneCanBeReached) {
  EXPECT_EQ(open("/taskmesh.proxy.v1.ProxyLifecycle/Report").seen->closed.take().code, kUnimplemented);
  EXPECT_EQ(arrived.size(), 0U);
}

TEST_F(DiscoveryCarrierTest, AControlPlaneThatGoesEndsTheStreamAndIsFoundAgain) {
  const End envoy = open();
  envoy.say("1");
  EXPECT_EQ(arrived.take().seen->messages.take(), "1");
  const int port = control_plane->port();
  control_plane.reset();
  EXPECT_EQ(envoy.seen->closed.take().code, kUnavailable);
  EXPECT_EQ(open().seen->closed.take().code, kUnavailable) << "nobody is there";

  serve(port);
  const End again = open();
  again.say("2");
  EXPECT_EQ(arrived.take().seen->messages.take(), "2");
}

TEST_F(DiscoveryCarrierTest, AnEnvoyThatReadsNothingHoldsTheControlPlaneBackAndNotTheReports) {
  const auto heard = std::make_shared<Heard>();
  const auto reports = channel->open("/taskmesh.proxy.v1.ProxyLifecycle/Report", {}, std::make_unique<Listener>(heard));
  const End reporter = arrived.take();
  const End envoy = open();
  envoy.stream->set_reading(false);
  const End there = arrived.take();
  constexpr int kMessages = 256;
  for (int i = 0; i < kMessages; ++i) there.say(std::string(64UL << 10, 'x'));
  for (int i = 0; i < 100; ++i) {
    reporter.say("still here");
    ASSERT_EQ(heard->messages.take(), "still here");
  }
  EXPECT_EQ(envoy.seen->messages.size(), 0U);
  EXPECT_GT(there.stream->unsent_bytes(), 12UL << 20) << "16 MiB, less two windows and what we hold";

  envoy.stream->set_reading(true);
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(envoy.seen->messages.take().size(), 64UL << 10);
}

TEST_F(DiscoveryCarrierTest, ALongWorkDirectoryHasNoRoomForASocket) {
  EXPECT_EQ(DiscoveryCarrier::socket_in("/work"), "/work/taskmesh-discovery.sock");
  EXPECT_EQ(DiscoveryCarrier::socket_in("/" + std::string(90, 'x')), "");
}

}  // namespace
}  // namespace mesh::sidecar
