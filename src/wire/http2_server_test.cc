#include <gmock/gmock.h>

#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;

Fields request_fields(const std::string& method, const std::string& path) {
  return {{":method", method}, {":scheme", "http"}, {":path", path}, {":authority", "test"}};
}

class Http2Server : public testing::Test {
 protected:
  void serve(Limits limits = {}) {
    auto made = Server::listen(loop, on_loopback(limits), [this](Request request, Respond respond) {
      if (request.path == "/wait") return pending.put(std::move(respond));
      if (request.path == "/large") return respond({.status = 200, .headers = {}, .body = std::string(3'000'000, 'x')});
      Response response;
      response.headers.add("X-Host", std::string(request.headers.find("host").value_or("")));
      response.headers.add("Connection", "close");  // means nothing in HTTP/2, and would be an error
      response.body = request.method + " " + request.path + " [" + request.body + "]";
      respond(std::move(response));
    });
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
  }
  Http2Peer connect() { return Http2Peer(RawPeer(server->port())); }

  Box<Respond> pending;
  EventLoop loop{2};
  std::unique_ptr<Server> server;
};

TEST_F(Http2Server, HandsRequestsToTheSameHandler) {
  serve();
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("GET", "/a%20b?x"), true);
  auto answer = peer.read_answer(1);
  EXPECT_EQ(answer.headers[":status"], "200");
  EXPECT_EQ(answer.headers["x-host"], "test");
  EXPECT_EQ(answer.body, "GET /a b []");

  peer.send_headers(3, request_fields("POST", "/body"), false);
  peer.send(frame(NGHTTP2_DATA, 0, 3, "one ") + frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, "two"));
  EXPECT_EQ(peer.read_answer(3).body, "POST /body [one two]");

  peer.send_headers(5, request_fields("HEAD", "/"), true);
  answer = peer.read_answer(5);
  EXPECT_EQ(answer.headers["content-length"], "9");
  EXPECT_EQ(answer.body, "");
}

TEST_F(Http2Server, SendsLargeBodiesAsTheClientOpensItsWindow) {
  serve();
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("GET", "/large"), true);
  EXPECT_EQ(peer.read_answer(1).body.size(), 3'000'000U);
}

TEST_F(Http2Server, RefusesWhatIsTooLarge) {
  serve({.max_body_bytes = 100, .max_header_bytes = 20'000});
  Http2Peer peer = connect();
  Fields fields = request_fields("GET", "/");
  fields.emplace_back("x", std::string(30'000, 'x'));
  peer.send_headers(1, fields, true);
  EXPECT_EQ(peer.read_answer(1).headers[":status"], "431");

  peer.send_headers(3, request_fields("POST", "/"), false);
  peer.send(frame(NGHTTP2_DATA, 0, 3, std::string(101, 'x')));
  auto answer = peer.read_answer(3);
  EXPECT_EQ(answer.headers[":status"], "413");
}

TEST_F(Http2Server, RefusesLargeRequestsButNotSmallOnesWhenManyArriveAtOnce) {
  serve({.max_unfinished_bytes = 50'000});
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("POST", "/"), false);
  for (int i = 0; i < 10; ++i) peer.send(frame(NGHTTP2_DATA, 0, 1, std::string(10'000, 'x')));
  EXPECT_EQ(peer.read_answer(1).headers[":status"], "503");
  peer.send_headers(3, request_fields("POST", "/"), false);
  peer.send(frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, "hi"));
  EXPECT_EQ(peer.read_answer(3).headers[":status"], "200");
}

TEST_F(Http2Server, RefusesMoreStreamsAtOnceThanItAllows) {
  serve({.max_streams = 2});
  Http2Peer peer = connect();
  for (std::uint32_t stream : {1, 3, 5}) peer.send_headers(stream, request_fields("GET", "/wait"), true);
  EXPECT_EQ(peer.read_answer(5).reset, static_cast<std::uint32_t>(NGHTTP2_REFUSED_STREAM));
}

TEST_F(Http2Server, EndsARequestThatTakesTooLong) {
  serve({.request_timeout = 50ms});
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("POST", "/"), false);
  EXPECT_EQ(peer.read_answer(1).headers[":status"], "408");
}

TEST_F(Http2Server, EndsAnAnswerThatIsNotTaken) {
  serve({.request_timeout = 50ms});
  Http2Peer peer(RawPeer(server->port()), std::string("\0\4", 2) + big_endian(0));  // a window of 0 bytes
  peer.send_headers(1, request_fields("GET", "/large"), true);
  EXPECT_EQ(peer.read_answer(1).reset, static_cast<std::uint32_t>(NGHTTP2_CANCEL));
}

TEST_F(Http2Server, ClosesAConnectionWithoutStreamsAfterAWhile) {
  serve({.idle_timeout = 50ms});
  EXPECT_EQ(connect().read_goaway(), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
}

TEST_F(Http2Server, AsksAQuietPeerWhetherItLivesAndClosesWhenItDoesNotAnswer) {
  serve({.keepalive_interval = 20ms, .keepalive_timeout = 20ms});
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("GET", "/wait"), true);
  Http2Peer::Frame next = peer.read_frame();
  while (next.type >= 0 && next.type != NGHTTP2_PING) next = peer.read_frame();
  EXPECT_EQ(next.type, NGHTTP2_PING);
  while (next.type >= 0) next = peer.read_frame();  // it closes
}

TEST_F(Http2Server, AnswersPings) {
  serve();
  Http2Peer peer = connect();
  peer.send(frame(NGHTTP2_PING, 0, 0, "12345678"));
  Http2Peer::Frame next = peer.read_frame();
  while (next.type >= 0 && next.type != NGHTTP2_PING) next = peer.read_frame();
  EXPECT_EQ(next.flags, NGHTTP2_FLAG_ACK);
  EXPECT_EQ(next.payload, "12345678");
}

// What a flood looks like, and that it ends with GOAWAY.
TEST_F(Http2Server, EndsConnectionsThatFloodIt) {
  serve();
  auto repeated = [](const std::string& text, int times) {
    std::string all;
    for (int i = 0; i < times; ++i) all += text;
    return all;
  };
  const std::vector<std::pair<const char*, std::string>> floods{
      {"pings", repeated(frame(NGHTTP2_PING, 0, 0, "12345678"), 20'000)},
      {"settings", repeated(frame(NGHTTP2_SETTINGS, 0, 0), 20'000)},
      {"windows", repeated(frame(NGHTTP2_WINDOW_UPDATE, 0, 0, big_endian(1)), 20'000)},
      {"priorities", repeated(frame(NGHTTP2_PRIORITY, 0, 1, big_endian(0) + "\x10"), 20'000)},
  };
  for (const auto& [name, bytes] : floods) {
    Http2Peer peer = connect();
    peer.send(bytes);
    EXPECT_EQ(peer.read_goaway(), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM)) << name;
  }
}

TEST_F(Http2Server, EndsConnectionsThatOpenAndResetStreamsWithoutEnd) {
  serve();
  Http2Peer peer = connect();
  std::string flood;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    flood += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 2 * i + 1,
                   peer.block_of(request_fields("GET", "/wait")));
    flood += frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, big_endian(NGHTTP2_CANCEL));
  }
  peer.send(flood);
  EXPECT_TRUE(peer.read_goaway().has_value());
}

TEST_F(Http2Server, EndsConnectionsWithHeadersWithoutEnd) {
  serve();
  Http2Peer peer = connect();
  std::string block = peer.block_of({{":method", "GET"}});
  peer.send(frame(NGHTTP2_HEADERS, 0, 1, block));
  for (int i = 0; i < 1'000; ++i) {
    if (!peer.send(frame(NGHTTP2_CONTINUATION, 0, 1, peer.block_of({{"x", std::string(1000, 'x')}})))) break;
  }
  peer.read_goaway();  // with it or without: the connection ends
}

TEST_F(Http2Server, EndsConnectionsWithEmptyDataWithoutEnd) {
  serve();
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("POST", "/"), false);
  std::string flood;
  for (int i = 0; i < 20'000; ++i) flood += frame(NGHTTP2_DATA, 0, 1);
  peer.send(flood);
  EXPECT_EQ(peer.read_goaway(), static_cast<std::uint32_t>(NGHTTP2_ENHANCE_YOUR_CALM));
}

TEST_F(Http2Server, EndsConnectionsThatBreakTheProtocol) {
  serve();
  for (const std::string& garbage : {std::string(100, '\xff'), frame(NGHTTP2_DATA, 0, 1, "data of no stream"),
                                     frame(NGHTTP2_SETTINGS, 0, 0, "123")}) {
    Http2Peer peer = connect();
    peer.send(garbage);
    EXPECT_TRUE(peer.read_goaway().has_value());
  }
  RawPeer almost(server->port());
  almost.send(std::string(kPreface.substr(0, 20)) + "nonsense\r\n\r\n");
  almost.read_all();  // it closes
}

TEST_F(Http2Server, FinishesRunningRequestsWhenDrained) {
  serve();
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("GET", "/wait"), true);
  Respond respond = pending.take();
  server->drain(60s);
  EXPECT_EQ(peer.read_goaway(), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  respond({.status = 200, .headers = {}, .body = "done"});
  EXPECT_EQ(peer.read_answer(1).body, "done");
  EXPECT_EQ(peer.read_frame().type, -1);
}

TEST_F(Http2Server, SaysGoodbyeToConnectionsThatAreOldAndThenClosesThem) {
  serve({.max_connection_age = 2s});
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("GET", "/wait"), true);  // never answered, as a stream that goes on for ever
  EXPECT_EQ(peer.read_goaway(), static_cast<std::uint32_t>(NGHTTP2_NO_ERROR));
  EXPECT_EQ(peer.read_frame().type, -1);
}

TEST_F(Http2Server, DoesNotMindAnAnswerForAStreamThatIsGone) {
  serve();
  Http2Peer peer = connect();
  peer.send_headers(1, request_fields("GET", "/wait"), true);
  Respond respond = pending.take();
  peer.send(frame(NGHTTP2_RST_STREAM, 0, 1, big_endian(NGHTTP2_CANCEL)));
  peer.send_headers(3, request_fields("GET", "/after"), true);
  EXPECT_EQ(peer.read_answer(3).body, "GET /after []");
  respond({});
  peer.send_headers(5, request_fields("GET", "/still-here"), true);
  EXPECT_EQ(peer.read_answer(5).headers[":status"], "200");
}

}  // namespace
}  // namespace mesh::wire
