#include "wire/client.h"

#include <gmock/gmock.h>
#include <sys/un.h>

#include <thread>

#include "wire/address.h"
#include "wire/loop_access.h"
#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;
using testing::HasSubstr;

// Says `answer` to whoever connects, once, whatever was asked.
class RudeServer {
 public:
  explicit RudeServer(std::string answer, int fd = *listen_on("127.0.0.1", 0)) : fd_(fd) {
    thread_ = std::jthread([fd, answer = std::move(answer)] {
      pollfd_wait(fd);
      int peer = ::accept(fd, nullptr, nullptr);
      char buffer[4096];
      [[maybe_unused]] auto got = ::recv(peer, buffer, sizeof buffer, 0);
      ::send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::shutdown(peer, SHUT_WR);
      while (::recv(peer, buffer, sizeof buffer, 0) > 0) continue;
      ::close(peer);
    });
  }
  ~RudeServer() {
    thread_.join();
    ::close(fd_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(SocketAddress::local_of(fd_).port()) + "/"; }

 private:
  static void pollfd_wait(int fd) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    ::select(fd + 1, &set, nullptr, nullptr, nullptr);
  }

  int fd_;
  std::jthread thread_;
};

Result<Response> fetch_url(const std::string& url, std::size_t max_bytes = 1000) {
  ClientRequest request;
  request.url = url;
  request.max_response_bytes = max_bytes;
  return fetch_and_wait(std::move(request));
}

class Fetch : public testing::Test {
 protected:
  void serve_tls() {
    TlsServerSettings tls{.certificate_pem = leaf.certificate_pem,
                          .key_pem = leaf.key_pem,
                          .client_ca_pem = ca.certificate_pem,
                          .require_client_certificate = false,
                          .min_version = TlsVersion::Tls12,
                          .cipher_suites = {}};
    auto made = Server::listen_tls(loop, on_loopback(), tls, [](Request asked, Respond respond) {
      respond({.status = 200, .headers = {}, .body = asked.peer.client_certificate_pem});
    });
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
    request.url = "https://127.0.0.1:" + std::to_string(server->port()) + "/";
    request.tls.ca_pem = ca.certificate_pem;
  }

  KeyPair ca = make_certificate("ca", {});
  KeyPair leaf = make_certificate("server", {"localhost", "127.0.0.1"}, &ca);
  EventLoop loop{1};
  std::unique_ptr<Server> server;
  ClientRequest request;
};

TEST_F(Fetch, SendsMethodHeadersAndBodyAndReturnsTheAnswer) {
  Box<Request> requests;
  auto made = Server::listen(loop, on_loopback(), [&](Request asked, Respond respond) {
    requests.put(std::move(asked));
    Response response{.status = 201, .headers = {}, .body = "made"};
    response.headers.add("X-Answer", "yes");
    respond(std::move(response));
  });
  ASSERT_TRUE(made);
  request.method = "PUT";
  request.url = "http://localhost:" + std::to_string((*made)->port()) + "/a%2Fb?x=1#fragment";
  request.headers.add("X-Ask", "a\r\nX-Injected: b");
  request.body = "content";
  auto answer = fetch_and_wait(request);
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->headers.find("x-answer"), "yes");
  EXPECT_EQ(answer->body, "made");
  Request asked = requests.take();
  EXPECT_EQ(asked.target, "/a%2Fb?x=1");
  EXPECT_EQ(asked.body, "content");
  EXPECT_EQ(asked.headers.find("x-injected"), std::nullopt);
}

TEST_F(Fetch, ReadsAnswersOfEveryForm) {
  for (std::string answer : {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
                             "HTTP/1.1 200 OK\r\n\r\nbody",
                             "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"}) {
    RudeServer rude(answer);
    auto got = fetch_url(rude.url());
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(got->body, "body");
  }
}

TEST_F(Fetch, SaysWhatIsWrongWithAnAnswer) {
  struct Case {
    std::string answer;
    ErrorKind kind;
    std::string text;
  };
  for (const Case& c : std::vector<Case>{
           {"", ErrorKind::Unavailable, "before its answer was complete"},
           {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", ErrorKind::Unavailable, "before its answer was complete"},
           {"SSH-2.0-x\r\n\r\n", ErrorKind::Unavailable, "is not HTTP/1.1"},
           {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", ErrorKind::TooLarge, "more than 1000 bytes"},
           {"HTTP/1.1 200 OK\r\n\r\n" + std::string(2000, 'x'), ErrorKind::TooLarge, "more than 1000 bytes"},
           {"HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'x'), ErrorKind::Unavailable, "is not HTTP/1.1"}}) {
    RudeServer rude(c.answer);
    auto got = fetch_url(rude.url());
    ASSERT_FALSE(got) << c.answer.substr(0, 50);
    EXPECT_EQ(got.error().kind, c.kind);
    EXPECT_THAT(got.error().message(), HasSubstr(c.text));
  }
}

TEST_F(Fetch, ConnectsToAUnixSocket) {
  std::string path = testing::TempDir() + "fetch_test.sock";
  ::unlink(path.c_str());
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = *SocketAddress::unix_path(path);
  ASSERT_EQ(::bind(fd, address.data(), address.size()), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  {
    RudeServer rude("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix", fd);
    request.url = "http://envoy/ready";
    request.unix_socket = path;
    auto got = fetch_and_wait(request);
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(got->body, "unix");
  }
  ::unlink(path.c_str());
  auto gone = fetch_and_wait(request);
  ASSERT_FALSE(gone);
  EXPECT_THAT(gone.error().message(), HasSubstr(path));
}

TEST_F(Fetch, SaysThatNobodyListens) {
  int fd = *listen_on("127.0.0.1", 0);
  int port = SocketAddress::local_of(fd).port();
  ::close(fd);
  auto got = fetch_url("http://127.0.0.1:" + std::to_string(port) + "/x");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::Unavailable);
  EXPECT_THAT(got.error().message(), HasSubstr("GET http://127.0.0.1:" + std::to_string(port) + "/x: cannot connect"));
}

TEST_F(Fetch, SaysWhatItWaitedForWhenTimeIsOver) {
  int fd = *listen_on("127.0.0.1", 0);  // accepts in the kernel, and says nothing
  request.url = "http://127.0.0.1:" + std::to_string(SocketAddress::local_of(fd).port());
  request.timeout = 50ms;
  auto got = fetch_and_wait(request);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::Unavailable);
  EXPECT_THAT(got.error().message(), HasSubstr("timed out after 50ms while waiting for the answer"));
  request.url = "https" + request.url.substr(4);
  got = fetch_and_wait(request);
  ASSERT_FALSE(got);
  EXPECT_THAT(got.error().message(), HasSubstr("timed out after 50ms while in the TLS handshake"));
  ::close(fd);
}

TEST_F(Fetch, RefusesUrlsThatItCannotUse) {
  for (const char* url : {"", "localhost:80", "ftp://x/", "http://", "http://x:0/", "http://x:70000/",
                          "http://user:pass@x/", "http://a b/"}) {
    auto got = fetch_url(url);
    ASSERT_FALSE(got) << url;
    EXPECT_EQ(got.error().kind, ErrorKind::Invalid) << url << ": " << got.error().message();
  }
}

TEST_F(Fetch, AcceptsAServerThatItsCaVouchesFor) {
  serve_tls();
  auto got = fetch_and_wait(request);
  EXPECT_TRUE(got) << got.error().message();
}

TEST_F(Fetch, RefusesAServerOfAnotherCaOrAnotherName) {
  serve_tls();
  request.tls.server_name = "elsewhere.example";
  auto other_name = fetch_and_wait(request);
  ASSERT_FALSE(other_name);
  EXPECT_EQ(other_name.error().kind, ErrorKind::Denied);
  EXPECT_THAT(other_name.error().message(), HasSubstr("ostname mismatch"));

  request.tls.server_name = "localhost";
  EXPECT_TRUE(fetch_and_wait(request));

  request.tls.ca_pem = make_certificate("other", {}).certificate_pem;
  auto other_ca = fetch_and_wait(request);
  ASSERT_FALSE(other_ca);
  EXPECT_EQ(other_ca.error().kind, ErrorKind::Denied);

  request.tls.ca_pem = "";  // the system's
  EXPECT_FALSE(fetch_and_wait(request));
  request.tls.skip_verify = true;
  EXPECT_TRUE(fetch_and_wait(request));
}

TEST_F(Fetch, ShowsItsClientCertificate) {
  serve_tls();
  KeyPair client = make_certificate("client", {}, &ca);
  request.tls.certificate_pem = client.certificate_pem;
  request.tls.key_pem = client.key_pem;
  auto got = fetch_and_wait(request);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(got->body, client.certificate_pem);
}

TEST_F(Fetch, CallsBackOnTheLoopForManyRequestsAtOnce) {
  serve_tls();
  Box<int> statuses;
  for (int i = 0; i < 50; ++i)
    fetch(loop, request, [&](Result<Response> result) { statuses.put(result ? result->status : 0); });
  for (int i = 0; i < 50; ++i) EXPECT_EQ(statuses.take(), 200);
}

// A port that lets connections wait: its queue is full.
class BusyPort {
 public:
  BusyPort() {
    ::listen(fd_, 0);
    for (int i = 0; i < 4; ++i) waiting_.push_back(*begin_connect(SocketAddress::local_of(fd_)));
  }
  ~BusyPort() {
    for (int fd : waiting_) ::close(fd);
    ::close(fd_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(SocketAddress::local_of(fd_).port()) + "/"; }

 private:
  const int fd_ = *listen_on("127.0.0.1", 0);
  std::vector<int> waiting_;
};

TEST(Connecting, EndsWithTheLoop) {
  struct Silent final : GrpcEvents {
    void on_message(std::string) override {}
    void on_closed(const GrpcStatus&) override {}
    std::shared_ptr<int> witness;
    std::shared_ptr<GrpcStream> stream;  // as receivers do
  };
  BusyPort port;
  auto witness = std::make_shared<int>();
  {
    EventLoop loop(0);
    ClientRequest request;
    request.url = port.url();
    fetch(loop, request, [witness](const Result<Response>&) { ADD_FAILURE() << "the loop has ended"; });
    auto events = std::make_unique<Silent>();
    auto& receiver = *events;
    receiver.witness = witness;
    receiver.stream = open_grpc_stream(loop, {.url = port.url(), .tls = {}}, "/test.Echo/Talk", {}, std::move(events));
    run_ready(loop);
  }
  EXPECT_EQ(witness.use_count(), 1);
}

}  // namespace
}  // namespace mesh::wire
