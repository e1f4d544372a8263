#include "wire/kept_connection.h"

#include <gmock/gmock.h>

#include <thread>

#include "wire/client.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;

class Kept : public testing::Test {
 protected:
  void SetUp() override {
    GrpcServices services;
    services["/test.Echo/Talk"] = [this](std::shared_ptr<GrpcStream> stream) {
      came_from.put(stream->peer().port);
      return std::make_unique<Echo>(stream);
    };
    auto made = Server::listen_tls(
        loop, on_loopback(), tls(),
        [this](Request request, Respond respond) { answer(std::move(request), std::move(respond)); }, services);
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
  }
  TlsServerSettings tls() const {
    TlsServerSettings out;
    out.certificate_pem = leaf.certificate_pem;
    out.key_pem = leaf.key_pem;
    return out;
  }
  void answer(Request request, Respond respond) {
    came_from.put(request.peer.port);
    Response response{
        .status = request.path == "/no" ? 404 : 200, .headers = {}, .body = request.method + " " + request.body};
    response.headers.add("x-host", std::string(request.headers.find("host").value_or("")));
    respond(std::move(response));
  }
  std::string url() const { return "https://127.0.0.1:" + std::to_string(server->port()); }

  struct Answer {
    Result<Response> response = error(ErrorKind::Internal, "nothing came");
    std::shared_ptr<KeptConnection> connection;
  };
  Answer fetch(const std::string& path, std::string body, std::size_t max_response_bytes = 1UL << 20) {
    ClientRequest request;
    request.method = "POST";
    request.url = url() + path;
    request.body = std::move(body);
    request.tls.ca_pem = ca.certificate_pem;
    request.max_response_bytes = max_response_bytes;
    fetch_and_keep(loop, std::move(request),
                   [this](Result<Response> response, std::shared_ptr<KeptConnection> connection) {
                     answers.put({std::move(response), std::move(connection)});
                   });
    return answers.take();
  }
  std::shared_ptr<GrpcStream> open(std::shared_ptr<KeptConnection> over) {
    GrpcClientSettings settings;
    settings.url = url();
    settings.tls.ca_pem = ca.certificate_pem;
    settings.over = std::move(over);
    return open_grpc_stream(loop, std::move(settings), "/test.Echo/Talk", {}, std::make_unique<Listener>(seen));
  }

  void wait_until_closed() {
    const SteadyTime deadline = real_clock().steady() + 60s;
    while (server->connection_count() > 0 && real_clock().steady() < deadline) std::this_thread::yield();
    EXPECT_EQ(server->connection_count(), 0U);
  }

  const KeyPair ca = make_certificate("ca", {}), leaf = make_certificate("server", {"127.0.0.1"}, &ca);
  const std::shared_ptr<Heard> seen = std::make_shared<Heard>();
  Box<int> came_from;
  Box<Answer> answers;
  EventLoop loop{2};
  std::unique_ptr<Server> server;
};

TEST_F(Kept, CarriesAStreamAfterTheRequest) {
  Answer answer = fetch("/bootstrap", std::string(100'000, 'x'));
  ASSERT_TRUE(answer.response) << answer.response.error().message();
  EXPECT_EQ(answer.response->status, 200);
  EXPECT_EQ(answer.response->body.size(), 100'005U);
  EXPECT_EQ(answer.response->headers.find("x-host"), "127.0.0.1:" + std::to_string(server->port()));
  ASSERT_NE(answer.connection, nullptr);

  const auto stream = open(std::move(answer.connection));
  stream->send({make_bytes("hello")});
  EXPECT_EQ(seen->messages.take(), "<hello>");
  EXPECT_EQ(came_from.take(), came_from.take());
  EXPECT_EQ(server->connection_count(), 1U);

  stream->finish({1, "enough"});
  EXPECT_EQ(seen->closed.take().message, "enough");
}

TEST_F(Kept, CarriesAnyNumberOfStreams) {
  Answer answer = fetch("/", "");
  const auto first = open(answer.connection), second = open(answer.connection);
  first->send({make_bytes("1")});
  EXPECT_EQ(seen->messages.take(), "<1>");
  second->send({make_bytes("2")});
  EXPECT_EQ(seen->messages.take(), "<2>");
  const int request = came_from.take();
  EXPECT_EQ(came_from.take(), request);
  EXPECT_EQ(came_from.take(), request);

  first->finish({1, "enough"});
  EXPECT_EQ(seen->closed.take().message, "enough");
  answer.connection.reset();
  second->send({make_bytes("3")});
  EXPECT_EQ(seen->messages.take(), "<3>") << "it lasts as long as a stream";
  second->finish({1, "enough"});
  EXPECT_EQ(seen->closed.take().message, "enough");
  wait_until_closed();
}

TEST_F(Kept, IsClosedWhenNobodyWantsIt) {
  Answer answer = fetch("/no", "");
  ASSERT_TRUE(answer.response);
  EXPECT_EQ(answer.response->status, 404);
  EXPECT_EQ(answer.response->body, "POST ");
  EXPECT_EQ(server->connection_count(), 1U);

  answer.connection.reset();
  wait_until_closed();
}

TEST_F(Kept, IsNotKeptWhenTheAnswerIsTooLarge) {
  const Answer answer = fetch("/", std::string(10'000, 'x'), 1000);
  ASSERT_FALSE(answer.response);
  EXPECT_EQ(answer.response.error().kind, ErrorKind::TooLarge);
  EXPECT_EQ(answer.connection, nullptr);
}

}  // namespace
}  // namespace mesh::wire
