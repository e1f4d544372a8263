#include <gmock/gmock.h>

#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Answers with what it was asked.
void echo(Request request, Respond respond) {
  if (request.path == "/drop") return;
  Response response;
  response.headers.add("X-Evil", "a\r\nX-Injected: b");
  response.body = request.method + " " + request.path + " [" + request.body + "]";
  respond(std::move(response));
}

class Http1Server : public testing::Test {
 protected:
  void serve(Limits limits, Handler handler = echo) {
    auto made = Server::listen(loop, on_loopback(limits), std::move(handler));
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
  }
  std::string answer_to(std::string_view bytes) {
    RawPeer peer(server->port());
    peer.send(bytes);
    return peer.read_all();
  }

  EventLoop loop{2};
  std::unique_ptr<Server> server;
};

TEST_F(Http1Server, AnswersSeveralRequestsOnOneConnectionInOrder) {
  serve({});
  RawPeer peer(server->port());
  peer.send(get("/one") + get("/two") +
            "POST /three HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
  EXPECT_THAT(peer.read_until("[]"), EndsWith("GET /one []"));
  EXPECT_THAT(peer.read_until("[]"), EndsWith("GET /two []"));
  EXPECT_THAT(peer.read_all(), EndsWith("POST /three [hi]"));
}

TEST_F(Http1Server, TakesARequestByteByByte) {
  serve({});
  RawPeer peer(server->port());
  for (char c : get("/slowly", "Connection: close\r\n")) peer.send(std::string(1, c));
  EXPECT_THAT(peer.read_all(), EndsWith("GET /slowly []"));
}

TEST_F(Http1Server, TakesAnEmptyChunkedBodyByteByByte) {
  serve({});
  RawPeer peer(server->port());
  for (char c : std::string("POST /slowly HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                            "Connection: close\r\n\r\n0\r\nx: y\r\n\r\n"))
    peer.send(std::string(1, c));
  EXPECT_THAT(peer.read_all(), EndsWith("POST /slowly []"));
}

TEST_F(Http1Server, TakesChunkedBodies) {
  serve({});
  EXPECT_THAT(answer_to("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
                        "close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              EndsWith("POST / [abcde]"));
}

TEST_F(Http1Server, InvitesABodyThatWaitsForIt) {
  serve({});
  RawPeer peer(server->port());
  peer.send("PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  EXPECT_EQ(peer.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("!");
  EXPECT_THAT(peer.read_until("[!]"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(Http1Server, SendsNoBodyToHead) {
  serve({});
  std::string answer = answer_to("HEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 10\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(Http1Server, SpeaksHttp10) {
  serve({});
  EXPECT_THAT(answer_to("GET /old HTTP/1.0\r\n\r\n"), EndsWith("GET /old []"));
}

TEST_F(Http1Server, AnswersForAHandlerThatForgetsTo) {
  serve({});
  EXPECT_THAT(answer_to(get("/drop", "Connection: close\r\n")), StartsWith("HTTP/1.1 500 "));
}

TEST_F(Http1Server, LetsNoHeaderEndItsLine) {
  serve({});
  EXPECT_THAT(answer_to(get("/", "Connection: close\r\n")), Not(HasSubstr("\r\nX-Injected")));
}

TEST_F(Http1Server, RefusesWhatItCannotRead) {
  serve({.max_body_bytes = 100, .max_header_bytes = 1000});
  struct Case {
    std::string request, status;
  };
  const std::vector<Case> cases{
      {"\x16\x03\x01\x02garbage\r\n\r\n", "400"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},  // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"},
      {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", "413"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + std::string(101, 'x') +
           "\r\n0\r\n\r\n",
       "413"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(5000, 'x'), "431"},
      {get("/", "X: " + std::string(2000, 'x') + "\r\n"), "431"},
      {"GET /" + std::string(2000, 'x'), "431"},
      {"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
      {get("/", "Expect: miracles\r\n"), "417"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(answer_to(c.request), StartsWith("HTTP/1.1 " + c.status)) << c.request.substr(0, 100);
  }
}

TEST_F(Http1Server, SaysWhyBeforeItHangsUpOnABodyThatIsTooLarge) {
  serve({.max_body_bytes = 100});
  RawPeer peer(server->port());
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + std::string(1'000'000, 'x'));
  EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 413 "));
}

TEST_F(Http1Server, RefusesLargeRequestsButNotSmallOnesWhenManyArriveAtOnce) {
  serve({.max_unfinished_bytes = 50'000});
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ";
  RawPeer large(server->port());
  large.send(head + "200000\r\n\r\n" + std::string(150'000, 'x'));
  EXPECT_THAT(large.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
  RawPeer slow(server->port());
  slow.send(head + "60000\r\n\r\n" + std::string(59'999, 'x'));
  EXPECT_THAT(answer_to(head + "2\r\n\r\nhi"), StartsWith("HTTP/1.1 200 "));
  slow.send("x");
  EXPECT_THAT(slow.read_all(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(Http1Server, EndsARequestThatTakesTooLong) {
  serve({.request_timeout = 50ms});
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost:"), StartsWith("HTTP/1.1 408 "));
}

TEST_F(Http1Server, ClosesAnIdleConnection) {
  serve({.idle_timeout = 50ms});
  EXPECT_THAT(answer_to(get("/")), EndsWith("GET / []"));
}

TEST_F(Http1Server, ClosesAConnectionThatNeverSaysAnything) {
  serve({.handshake_timeout = 50ms});
  EXPECT_EQ(answer_to(""), "");
}

TEST_F(Http1Server, GivesUpOnAPeerThatDoesNotTakeItsAnswer) {
  serve({.request_timeout = 100ms}, [](Request, Respond respond) {
    respond({.status = 200, .headers = {}, .body = std::string(30'000'000, 'x')});
  });
  RawPeer peer(server->port());
  peer.set_small_receive_buffer();
  peer.send(get("/"));
  Box<bool> gone;
  EventLoop watcher(1);
  Strand strand = watcher.make_strand();
  std::function<void()> look;
  Timer timer;
  look = [&] {
    if (server->connection_count() == 0) return gone.put(true);
    timer = strand.after(5ms, [&] { look(); });
  };
  strand.post([&] { timer = strand.after(50ms, [&] { look(); }); });
  EXPECT_TRUE(gone.take());
}

TEST_F(Http1Server, LetsAHandlerAnswerLaterFromAnotherThread) {
  Box<Respond> pending;
  serve({}, [&](Request, Respond respond) { pending.put(std::move(respond)); });
  RawPeer peer(server->port());
  peer.send(get("/"));
  Respond respond = pending.take();
  respond({.status = 204, .headers = {}, .body = {}});
  respond({.status = 500, .headers = {}, .body = {}});
  EXPECT_THAT(peer.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 204 No Content\r\n"));
}

TEST_F(Http1Server, AnswersAClientThatHasClosedItsSide) {
  Box<Respond> pending;
  serve({}, [&](Request, Respond respond) { pending.put(std::move(respond)); });
  RawPeer peer(server->port());
  peer.send(get("/"));
  peer.shut_down_sending();
  pending.take()({.status = 200, .headers = {}, .body = "late"});
  EXPECT_THAT(peer.read_all(), EndsWith("late"));
}

TEST_F(Http1Server, DoesNotMindAnAnswerForAConnectionThatIsGone) {
  Box<Respond> pending;
  serve({}, [&](Request, Respond respond) { pending.put(std::move(respond)); });
  RawPeer peer(server->port());
  peer.send(get("/"));
  Respond respond = pending.take();
  server.reset();
  respond({.status = 200, .headers = {}, .body = "too late"});
  EXPECT_EQ(peer.read_all(), "");
}

TEST_F(Http1Server, FinishesRunningRequestsWhenDrained) {
  Box<Respond> pending;
  serve({}, [&](Request, Respond respond) { pending.put(std::move(respond)); });
  RawPeer idle(server->port()), busy(server->port());
  busy.send(get("/"));
  Respond respond = pending.take();
  server->drain(60s);
  EXPECT_EQ(idle.read_all(), "");
  respond({.status = 200, .headers = {}, .body = "done"});
  std::string answer = busy.read_all();
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, EndsWith("done"));
}

TEST_F(Http1Server, EndsWhatStillRunsWhenTheGraceIsOver) {
  Box<Respond> pending;
  serve({}, [&](Request, Respond respond) { pending.put(std::move(respond)); });
  RawPeer busy(server->port());
  busy.send(get("/"));
  Respond respond = pending.take();
  server->drain(10ms);
  EXPECT_EQ(busy.read_all(), "");
}

TEST_F(Http1Server, SaysWhoIsAsking) {
  Box<Peer> peers;
  serve({}, [&](Request request, Respond respond) {
    peers.put(request.peer);
    respond({});
  });
  RawPeer client(server->port());
  client.send(get("/"));
  Peer peer = peers.take();
  EXPECT_EQ(peer.address, "127.0.0.1");
  EXPECT_EQ(peer.local_port, server->port());
  EXPECT_TRUE(peer.is_loopback);
  EXPECT_FALSE(peer.is_tls);
}

TEST_F(Http1Server, NamesAddressPortAndReasonWhenItCannotListen) {
  serve({});
  ServerSettings same = on_loopback();
  same.name = "api";
  same.port = server->port();
  auto second = Server::listen(loop, same, echo);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message(), "starting the api server: cannot listen on 127.0.0.1:" +
                                          std::to_string(server->port()) + ": it is already in use");
}

TEST_F(Http1Server, KeepsServingWhenMoreConnectionsComeThanItAllows) {
  serve({.max_connections = 3, .max_handshaking = 2, .handshake_timeout = 500ms});
  std::vector<std::unique_ptr<RawPeer>> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(std::make_unique<RawPeer>(server->port()));
  EXPECT_THAT(answer_to(get("/", "Connection: close\r\n")), EndsWith("GET / []"));
}

TEST(DrainingServer, IsGoneWithItsLoop) {
  auto witness = std::make_shared<int>();
  {
    EventLoop loop(1);
    auto server = Server::listen(loop, on_loopback(), [witness](Request, Respond respond) { respond({}); });
    ASSERT_TRUE(server) << server.error().message();
    RawPeer peer((*server)->port());
    peer.send(get("/"));
    peer.read_until("\r\n\r\n");
    (*server)->drain(1h);
    peer.read_all();  // it has begun: idle connections are closed
    loop.stop();
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace mesh::wire
