// Access logs on their way from Envoy, which writes lines into a pipe, to a TCP server.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "sidecar/access_log_line.h"
#include "sidecar/access_log_relay.h"
#include "wire/address.h"

namespace mesh::sidecar {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

std::string parsed(std::string_view line) {
  const auto got = parse_access_log_line(line);
  return got ? got->address + " <- " + got->message : "refused: " + got.error().text;
}

TEST(AccessLogLine, HasItsServersAddressInIt) {
  EXPECT_EQ(parsed(R"({"address":"10.0.0.1:5000","message":"[2026] \"GET /\" 200\n"})"),
            "10.0.0.1:5000 <- [2026] \"GET /\" 200\n");
  EXPECT_EQ(parsed(R"({"message":"x\u00e4\n","address":"logs.internal:5000"})"), "logs.internal:5000 <- x\xc3\xa4\n");
  EXPECT_EQ(parsed("10.0.0.1:5000;[2026] a;b"), "10.0.0.1:5000 <- [2026] a;b\n");
}

TEST(AccessLogLine, KeepsTheBytesOfAMessageThatIsAnObject) {
  EXPECT_EQ(parsed(R"({"address":"a:1","message":{"code":200,"ratio":1.50,"path":"/{x}\"]","list":[1,{"y":null}]}})"),
            R"(a:1 <- {"code":200,"ratio":1.50,"path":"/{x}\"]","list":[1,{"y":null}]})"
            "\n");
  EXPECT_EQ(parsed(R"( {"address":"a:1","message":3})"), "refused: a line names no address");
  EXPECT_EQ(parsed(R"({ "address" : "a:1" , "message" : 3 })"), "a:1 <- 3\n");
}

TEST(AccessLogLine, IsRefusedWhenItIsNoneOfTheForms) {
  for (const char* line :
       {"", "nothing", "{", "{}", R"({"address":"a:1"})", R"({"address":1,"message":"x"})",
        R"({"address":"a:1","message":)", R"({"address":"a:1","message":"x)", R"({"address":"a:1","message":{"x":1)",
        R"({"address":"a:1","message":"\q"})", R"({"address":"a:1" "message":"x"})", "{\"a\":[[[[[[[[[[[["})
    EXPECT_THAT(parsed(line), testing::StartsWith("refused")) << line;
}

TEST(AccessLogLine, IsFoundInWhateverPiecesItComes) {
  LineCutter cutter(6);
  std::vector<std::string> lines;
  for (const char* piece : {"one\ntw", "o\n", "", "\n", "toolong and more", " of it\nfo", "ur\nsixsix\nseven77\nend"})
    cutter.feed(piece, [&](std::string_view line) { lines.emplace_back(line); });
  EXPECT_THAT(lines, ElementsAre("one", "two", "", "four", "sixsix"));
  EXPECT_EQ(cutter.too_long(), 2U);
}

TEST(AccessLogPath, IsWhereControlPlanesExpectIt) {
  EXPECT_EQ(access_log_path("/tmp/w", "web-1", "default"), "/tmp/w/kuma-al-web-1-default.sock");
  EXPECT_EQ(access_log_path("/tmp/w", std::string(200, 'n'), "default").size(), 103U);
}

// A server for access logs, on this machine.
class LogServer {
 public:
  explicit LogServer(int fd = *wire::listen_on("127.0.0.1", 0)) : fd_(fd) {}
  ~LogServer() {
    if (peer_ >= 0) ::close(peer_);
    if (fd_ >= 0) ::close(fd_);
  }
  int port() const { return wire::SocketAddress::local_of(fd_).port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
  void accept() {
    if (peer_ >= 0) ::close(peer_);
    ASSERT_TRUE(is_readable(fd_));
    peer_ = ::accept(fd_, nullptr, nullptr);
    seen_.clear();
  }
  // Everything up to and with these words.
  std::string read_until(const std::string& words) {
    char buffer[4096];
    while (!seen_.contains(words) && is_readable(peer_)) {
      const ssize_t got = ::recv(peer_, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      seen_.append(buffer, static_cast<std::size_t>(got));
    }
    EXPECT_TRUE(seen_.contains(words)) << seen_.substr(0, 1000);
    const std::size_t end = std::min(seen_.find(words), seen_.size() - words.size()) + words.size();
    std::string out = seen_.substr(0, end);
    seen_.erase(0, end);
    return out;
  }
  void hang_up() { ::close(std::exchange(peer_, -1)); }

 private:
  static bool is_readable(int fd) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, 60'000) == 1;
  }
  int fd_, peer_ = -1;
  std::string seen_;
};

class AccessLogs : public testing::Test {
 protected:
  AccessLogs() { open({}); }
  ~AccessLogs() override {
    on_strand([this] { relay.reset(); });
    if (envoy >= 0) ::close(envoy);
    std::filesystem::remove(path);
  }
  void open(AccessLogLimits limits) {
    limits.first_pause = 5ms;
    limits.longest_pause = 20ms;
    on_strand([&] {
      relay.reset();
      auto opened = AccessLogRelay::open(strand, real_clock(), path, limits);
      ASSERT_TRUE(opened) << opened.error().message();
      relay = *std::move(opened);
    });
    if (envoy >= 0) ::close(envoy);
    envoy = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644);  // as Envoy does
    ASSERT_GE(envoy, 0);
  }
  template <class Task>
  void on_strand(Task task) {
    std::promise<void> done;
    strand.post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  void writes(const std::string& text) {
    for (std::size_t from = 0; from < text.size();) {
      const ssize_t written = ::write(envoy, text.data() + from, text.size() - from);
      ASSERT_GT(written, 0);
      from += static_cast<std::size_t>(written);
    }
  }
  static std::string line(const LogServer& server, const std::string& message) {
    return R"({"address":")" + server.address() + R"(","message":")" + message +
           R"(\n"})"
           "\n";
  }

  const std::string path =
      access_log_path(std::filesystem::temp_directory_path(), "test-" + std::to_string(::getpid()), "default");
  wire::EventLoop loop{1};
  wire::Strand strand = loop.make_strand();
  std::unique_ptr<AccessLogRelay> relay;
  int envoy = -1;
};

TEST_F(AccessLogs, ReachTheirServersInOrder) {
  LogServer one, other;
  writes(line(one, "first") + line(other, "apart") + "no line of ours\n" + line(one, "second"));
  one.accept();
  other.accept();
  EXPECT_EQ(one.read_until("second\n"), "first\nsecond\n");
  EXPECT_EQ(other.read_until("apart\n"), "apart\n");
}

TEST_F(AccessLogs, ReachAServerThatComesBack) {
  LogServer server;
  writes(line(server, "before"));
  server.accept();
  server.read_until("before\n");
  server.hang_up();
  writes(line(server, "after"));
  server.accept();
  // What was on its way when the server hung up may be lost; the next is not.
  writes(line(server, "later"));
  server.read_until("later\n");
}

TEST_F(AccessLogs, WaitForAServerThatIsNotThereYet) {
  const auto here = *wire::SocketAddress::parse("127.0.0.1", 0);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(fd, here.data(), here.size()), 0);  // nobody else can have the port, and nobody listens
  LogServer server(fd);
  writes(line(server, "patient"));
  ::listen(fd, 8);
  server.accept();
  EXPECT_EQ(server.read_until("patient\n"), "patient\n");
}

TEST_F(AccessLogs, NeverMakeEnvoyWaitNorMemoryGrow) {
  open({.max_waiting = 64UL << 10});
  LogServer stuck;
  const std::string many = [&] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += line(stuck, std::string(900, 'x'));
    return text;
  }();
  for (int i = 0; i < 200; ++i) writes(many);  // 20 MB, which nobody takes: blocks for ever when nobody reads
  writes(line(stuck, "the newest"));
  std::size_t waiting = 0;
  on_strand([&] { waiting = relay->waiting_bytes(); });
  EXPECT_LE(waiting, 64UL << 10);
  stuck.accept();
  stuck.read_until("the newest\n");  // the oldest were lost, not the newest
}

TEST_F(AccessLogs, LeaveOutWhatIsTooLongAndServersThatAreTooMany) {
  open({.max_line = 1000, .max_backends = 2});
  LogServer server;
  for (int port = 1; port < 20; ++port) writes("127.0.0.1:" + std::to_string(port) + ";x\n");  // nobody listens there
  open({.max_line = 1000, .max_backends = 2});
  writes(line(server, std::string(2000, 'x')) + line(server, "short"));
  server.accept();
  EXPECT_EQ(server.read_until("short\n"), "short\n");
}

TEST_F(AccessLogs, AreSentBeforeTheEnd) {
  LogServer server;
  writes(line(server, "last words"));
  std::promise<void> flushed;
  on_strand([&] { relay->flush(60s, [&] { flushed.set_value(); }); });
  flushed.get_future().wait();
  server.accept();
  EXPECT_EQ(server.read_until("last words\n"), "last words\n");
}

TEST_F(AccessLogs, LeaveNoPipeBehindAndReplaceWhatAnEarlierOneLeft) {
  on_strand([this] { relay.reset(); });
  EXPECT_FALSE(std::filesystem::exists(path));
  ::close(::open(path.c_str(), O_WRONLY | O_CREAT, 0644));
  open({});
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

}  // namespace
}  // namespace mesh::sidecar
