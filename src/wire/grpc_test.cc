#include <gmock/gmock.h>

#include <thread>

#include "wire/client.h"
#include "wire/grpc_framing.h"
#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;

// Remembers what happened on a stream, and sends messages back when it is an echo.
struct Recorder final : GrpcEvents {
  struct Seen {
    Box<std::string> messages;
    Box<bool> half_closed;
    Box<GrpcStatus> closed;
  };
  Recorder(std::shared_ptr<Seen> where, std::shared_ptr<GrpcStream> back)
      : seen(std::move(where)), stream(std::move(back)) {}

  void on_message(std::string message) override {
    if (stream) stream->send({make_bytes("<"), make_bytes(""), make_bytes(message), make_bytes(">")});
    seen->messages.put(std::move(message));
  }
  void on_half_closed() override {
    if (stream) stream->finish({0, ""});
    seen->half_closed.put(true);
  }
  void on_closed(const GrpcStatus& status) override { seen->closed.put(status); }

  std::shared_ptr<Seen> seen;
  std::shared_ptr<GrpcStream> stream;
};

class Grpc : public testing::Test {
 protected:
  void serve(Limits limits = {}) {
    GrpcServices services;
    services["/test.Echo/Talk"] = [this](std::shared_ptr<GrpcStream> stream) {
      streams.put(stream);
      return std::make_unique<Recorder>(server_side, stream);
    };
    services["/test.Echo/Refuse"] = [](std::shared_ptr<GrpcStream> stream) {
      stream->finish({7, "100% n\xc3\xb6"});
      return std::unique_ptr<GrpcEvents>();
    };
    auto made = Server::listen(loop, on_loopback(limits), [](Request, Respond respond) { respond({}); }, services);
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
  }
  Http2Peer connect(std::string_view settings = {}) { return Http2Peer(RawPeer(server->port()), settings); }
  std::shared_ptr<GrpcStream> open(const std::string& path = "/test.Echo/Talk") {
    Headers metadata;
    metadata.add("Authorization", "Bearer x");
    return open_grpc_stream(loop, {.url = "http://127.0.0.1:" + std::to_string(server->port()), .tls = {}}, path,
                            std::move(metadata), std::make_unique<Recorder>(client_side, nullptr));
  }

  std::shared_ptr<Recorder::Seen> server_side = std::make_shared<Recorder::Seen>(),
                                  client_side = std::make_shared<Recorder::Seen>();
  Box<std::shared_ptr<GrpcStream>> streams;
  EventLoop loop{2};
  std::unique_ptr<Server> server;
};

TEST_F(Grpc, CarriesMessagesBothWays) {
  serve();
  auto stream = open();
  stream->send({make_bytes("hel"), make_bytes("lo")});
  EXPECT_EQ(client_side->messages.take(), "<hello>");
  stream->send({});
  EXPECT_EQ(client_side->messages.take(), "<>");
  EXPECT_EQ(streams.take()->headers().find("authorization"), "Bearer x");
  stream->finish({0, ""});
  EXPECT_TRUE(server_side->half_closed.take());
  EXPECT_EQ(client_side->closed.take().code, 0);
  EXPECT_EQ(server_side->closed.take().code, 0);
}

TEST_F(Grpc, SendsWhatComesFromItsStrandBehindWhatOthersGaveItBefore) {
  serve();
  auto stream = open();
  stream->send({});
  EXPECT_EQ(client_side->messages.take(), "<>");
  const std::shared_ptr<GrpcStream> answers = streams.take();
  answers->strand().post([answers] {
    std::jthread([&] { answers->send({make_bytes("first")}); }).join();
    answers->send({make_bytes("second")});
  });
  EXPECT_EQ(client_side->messages.take(), "first");
  EXPECT_EQ(client_side->messages.take(), "second");
}

TEST_F(Grpc, GoesOnWhereItStoppedReading) {
  serve();
  auto stream = open();
  stream->send({make_bytes("a")});
  EXPECT_EQ(client_side->messages.take(), "<a>");
  stream->set_reading(false);
  stream->send({make_bytes("b")});
  EXPECT_EQ(server_side->messages.take(), "a");
  EXPECT_EQ(server_side->messages.take(), "b");
  {  // while another one comes and goes, the answer is there and is not read
    auto other_side = std::make_shared<Recorder::Seen>();
    auto other = open_grpc_stream(loop, {.url = "http://127.0.0.1:" + std::to_string(server->port()), .tls = {}},
                                  "/test.Echo/Talk", {}, std::make_unique<Recorder>(other_side, nullptr));
    other->send({make_bytes("c")});
    EXPECT_EQ(other_side->messages.take(), "<c>");
    EXPECT_EQ(client_side->messages.size(), 0U);
    other->finish({0, ""});
    EXPECT_EQ(other_side->closed.take().code, 0);
  }
  stream->set_reading(true);
  EXPECT_EQ(client_side->messages.take(), "<b>");
}

TEST_F(Grpc, CarriesMessagesOverTls) {
  KeyPair ca = make_certificate("ca", {}), leaf = make_certificate("server", {"127.0.0.1"}, &ca);
  GrpcServices services;
  services["/test.Echo/Talk"] = [this](std::shared_ptr<GrpcStream> stream) {
    return std::make_unique<Recorder>(server_side, stream);
  };
  TlsServerSettings tls;
  tls.certificate_pem = leaf.certificate_pem;
  tls.key_pem = leaf.key_pem;
  auto made = Server::listen_tls(loop, on_loopback(), tls, [](Request, Respond) {}, services);
  ASSERT_TRUE(made);
  GrpcClientSettings settings{.url = "https://127.0.0.1:" + std::to_string((*made)->port()), .tls = {}};
  settings.tls.ca_pem = ca.certificate_pem;
  auto stream =
      open_grpc_stream(loop, settings, "/test.Echo/Talk", {}, std::make_unique<Recorder>(client_side, nullptr));
  std::string large(8'000'000, 'x');
  stream->send({make_bytes(large)});
  EXPECT_EQ(client_side->messages.take().size(), large.size() + 2);

  settings.tls.ca_pem = make_certificate("other", {}).certificate_pem;
  auto distrusted =
      open_grpc_stream(loop, settings, "/test.Echo/Talk", {}, std::make_unique<Recorder>(client_side, nullptr));
  EXPECT_EQ(client_side->closed.take().code, kGrpcUnauthenticated);
}

TEST_F(Grpc, PutsMessagesTogetherHoweverTheyWereSplit) {
  serve();
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Talk");
  std::string bytes = message("first") + message("") + message("third");
  for (char c : bytes) peer.send(frame(NGHTTP2_DATA, 0, 1, std::string(1, c)));
  EXPECT_EQ(server_side->messages.take(), "first");
  EXPECT_EQ(server_side->messages.take(), "");
  EXPECT_EQ(server_side->messages.take(), "third");
  peer.send(frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, message("all") + message("at once")));
  EXPECT_EQ(server_side->messages.take(), "all");
  auto answer = peer.read_answer(1);
  EXPECT_EQ(answer.headers[":status"], "200");
  EXPECT_EQ(answer.headers["content-type"], "application/grpc");
  EXPECT_EQ(answer.body,
            message("<first>") + message("<>") + message("<third>") + message("<all>") + message("<at once>"));
  EXPECT_EQ(answer.trailers["grpc-status"], "0");
}

TEST_F(Grpc, SaysUnimplementedForUnknownMethods) {
  serve();
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Nothing");
  auto answer = peer.read_answer(1);
  EXPECT_EQ(answer.headers["grpc-status"], "12");
  EXPECT_EQ(answer.headers["grpc-message"], "no such method: /test.Echo/Nothing");
}

TEST_F(Grpc, EscapesTheMessageOfAStatus) {
  serve();
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Refuse");
  auto answer = peer.read_answer(1);
  EXPECT_EQ(answer.headers["grpc-status"], "7");
  EXPECT_EQ(answer.headers["grpc-message"], "100%25 n%C3%B6");

  auto stream = open("/test.Echo/Refuse");
  EXPECT_EQ(client_side->closed.take().message, "100% n\xc3\xb6");
}

TEST_F(Grpc, RefusesCompressedMessagesAndThoseThatAreTooLarge) {
  serve({.max_message_bytes = 1000});
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Talk");
  peer.send(frame(NGHTTP2_DATA, 0, 1, message("x", true)));
  EXPECT_EQ(peer.read_answer(1).headers["grpc-status"], "12");
  peer.open_grpc(3, "/test.Echo/Talk");
  peer.send(frame(NGHTTP2_DATA, 0, 3, std::string(1, '\0') + big_endian(1001)));
  EXPECT_EQ(peer.read_answer(3).headers["grpc-status"], "8");
  peer.open_grpc(5, "/test.Echo/Talk");
  peer.send(frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 5, message("cut").substr(0, 6)));
  EXPECT_EQ(peer.read_answer(5).headers["grpc-status"], "13");
}

TEST_F(Grpc, EndsAStreamWhoseMessageDoesNotArrive) {
  serve({.request_timeout = 50ms});
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Talk");
  EXPECT_EQ(peer.read_answer(1).headers["grpc-status"], "4") << "the first one";
  peer.open_grpc(3, "/test.Echo/Talk");
  peer.send(frame(NGHTTP2_DATA, 0, 3, message("whole") + message("half").substr(0, 3)));
  EXPECT_EQ(peer.read_answer(3).trailers["grpc-status"], "4") << "the rest of one";
}

TEST_F(Grpc, LetsAStreamBeQuietBetweenMessages) {
  serve({.request_timeout = 50ms});
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Talk");
  peer.send(frame(NGHTTP2_DATA, 0, 1, message("one")));
  EXPECT_EQ(server_side->messages.take(), "one");
  peer.send_headers(3, {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "x"}}, false);
  EXPECT_EQ(peer.read_answer(3).headers[":status"], "408") << "so much time has passed";
  peer.send(frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, message("two")));
  EXPECT_EQ(server_side->messages.take(), "two");
}

TEST_F(Grpc, TearsOffAStreamThatItHasFinishedAndTheClientDoesNotEnd) {
  serve({.request_timeout = 50ms});
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Refuse");
  EXPECT_EQ(peer.read_answer(1).headers["grpc-status"], "7");
  Http2Peer::Frame next = peer.read_frame();
  while (next.type >= 0 && next.type != NGHTTP2_RST_STREAM) next = peer.read_frame();
  EXPECT_EQ(next.type, NGHTTP2_RST_STREAM);
}

TEST_F(Grpc, SendsOnlyAsMuchAsThePeerWants) {
  serve();
  Http2Peer peer = connect(std::string("\0\4", 2) + big_endian(10));  // a window of 10 bytes
  peer.open_grpc(1, "/test.Echo/Talk");
  auto stream = streams.take();
  stream->send({make_bytes(std::string(95, 'x'))});
  Http2Peer::Frame next = peer.read_frame();
  while (next.type >= 0 && next.type != NGHTTP2_DATA) next = peer.read_frame();
  EXPECT_EQ(next.payload.size(), 10U);
  EXPECT_EQ(stream->unsent_bytes(), 90U);
  peer.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 1, big_endian(1000)));
  next = peer.read_frame();
  EXPECT_EQ(next.payload.size(), 90U);
  EXPECT_EQ(stream->unsent_bytes(), 0U);
}

TEST_F(Grpc, TellsOnceThatAStreamWasReset) {
  serve();
  Http2Peer peer = connect();
  peer.open_grpc(1, "/test.Echo/Talk");
  auto stream = streams.take();
  peer.send(frame(NGHTTP2_RST_STREAM, 0, 1, big_endian(NGHTTP2_CANCEL)));
  EXPECT_EQ(server_side->closed.take().code, kGrpcCancelled);
  peer.raw().close();
  stream->send({make_bytes("into the void")});
  stream->finish({0, ""});
  server.reset();
  EXPECT_EQ(server_side->closed.size(), 0U);
  Box<bool> caught_up;
  stream->strand().post([&] { caught_up.put(true); });
  caught_up.take();
  EXPECT_EQ(stream->unsent_bytes(), 0U);
}

TEST_F(Grpc, TellsOnceThatAConnectionWasLost) {
  serve();
  std::vector<std::shared_ptr<GrpcStream>> kept;
  {
    Http2Peer peer = connect();
    peer.open_grpc(1, "/test.Echo/Talk");
    peer.open_grpc(3, "/test.Echo/Talk");
    kept.push_back(streams.take());
    kept.push_back(streams.take());
  }
  EXPECT_EQ(server_side->closed.take().code, kGrpcUnavailable);
  EXPECT_EQ(server_side->closed.take().code, kGrpcUnavailable);
  for (const auto& stream : kept) stream->send({make_bytes("gone")});
  server.reset();
  EXPECT_EQ(server_side->closed.size(), 0U);
}

TEST_F(Grpc, LetsAClientReset) {
  serve();
  auto stream = open();
  stream->send({make_bytes("x")});
  client_side->messages.take();
  stream->finish({1, "not needed any more"});
  EXPECT_EQ(client_side->closed.take().message, "not needed any more");
  EXPECT_EQ(server_side->closed.take().code, kGrpcCancelled);
}

TEST_F(Grpc, TellsAClientThatItCouldNotConnect) {
  serve();
  std::string url = "http://127.0.0.1:" + std::to_string(server->port());
  server.reset();
  auto stream =
      open_grpc_stream(loop, {.url = url, .tls = {}}, "/x/Y", {}, std::make_unique<Recorder>(client_side, nullptr));
  stream->send({make_bytes("never")});
  GrpcStatus status = client_side->closed.take();
  EXPECT_EQ(status.code, kGrpcUnavailable);
  EXPECT_THAT(status.message, testing::HasSubstr("cannot connect to 127.0.0.1"));
}

TEST_F(Grpc, TellsAClientThatItsServerWentAway) {
  serve();
  auto stream = open();
  stream->send({make_bytes("x")});
  client_side->messages.take();
  server.reset();
  EXPECT_EQ(client_side->closed.take().code, kGrpcUnavailable);
}

TEST_F(Grpc, TellsAClientWhenTheOtherSideIsNoGrpcServer) {
  auto plain = Server::listen(loop, on_loopback(),
                              [](Request, Respond respond) { respond({.status = 503, .headers = {}, .body = "no"}); });
  ASSERT_TRUE(plain);
  server = *std::move(plain);
  auto stream = open();
  EXPECT_EQ(client_side->closed.take().code, kGrpcUnimplemented);
}

TEST_F(Grpc, LeavesNothingBehindWhenTheLoopEndsFirst) {
  std::shared_ptr<GrpcStream> client, accepted;
  auto seen = std::make_shared<Recorder::Seen>();
  {
    EventLoop short_lived(1);
    GrpcServices services;
    services["/x/Y"] = [&](std::shared_ptr<GrpcStream> stream) {
      streams.put(stream);
      return std::make_unique<Recorder>(seen, nullptr);
    };
    auto made = Server::listen(short_lived, on_loopback(), [](Request, Respond) {}, services);
    ASSERT_TRUE(made);
    client = open_grpc_stream(short_lived, {.url = "http://127.0.0.1:" + std::to_string((*made)->port()), .tls = {}},
                              "/x/Y", {}, std::make_unique<Recorder>(seen, nullptr));
    accepted = streams.take();
    short_lived.stop();
    short_lived.wait();
  }
  client->send({make_bytes("nobody carries this")});
  accepted->finish({0, ""});
  client.reset();
  accepted.reset();
  EXPECT_EQ(seen.use_count(), 1);
}

TEST_F(Grpc, SharesOneBodyAmongManyStreams) {
  serve();
  std::vector<std::shared_ptr<GrpcStream>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(open());
  auto body = make_bytes(std::string(100'000, 'x'));
  for (int i = 0; i < 50; ++i) streams.take()->send({make_bytes(std::to_string(i)), body});
  for (int i = 0; i < 50; ++i) EXPECT_GE(client_side->messages.take().size(), 100'001U);
  for (const auto& client : clients) client->finish({0, ""});
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client_side->closed.take().code, 0);
}

TEST(GrpcMessage, SurvivesItsEscaping) {
  for (std::string_view text : {"", "plain", "100%", "a\nb\x01", "\xc3\xb6%41"})
    EXPECT_EQ(unescape_grpc_message(escape_grpc_message(text)), text);
  EXPECT_EQ(unescape_grpc_message("%zz%4"), "%zz%4");
}

}  // namespace
}  // namespace mesh::wire
