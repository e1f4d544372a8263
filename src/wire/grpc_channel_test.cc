#include "wire/grpc_channel.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "wire/grpc_framing.h"
#include "wire/http2_memory.h"
#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;

// A stream of the channel, and what is heard of it.
struct Talk {
  std::shared_ptr<Heard> seen = std::make_shared<Heard>();
  std::shared_ptr<GrpcStream> stream;

  std::string say(const std::string& text) {
    stream->send({make_bytes(text)});
    return seen->messages.take();
  }
};

class Channel : public testing::Test {
 protected:
  void serve(int port = 0) {
    GrpcServices services;
    services["/test.Echo/Talk"] = [this](std::shared_ptr<GrpcStream> stream) {
      came_from.put(stream->peer().port);
      return std::make_unique<Echo>(stream);
    };
    services["/test.Flood/Talk"] = [this](const std::shared_ptr<GrpcStream>& stream) {
      for (int i = 0; i < 64; ++i) stream->send({make_bytes(std::string(64UL << 10, 'x'))});
      return std::make_unique<Listener>(flooder);
    };
    ServerSettings settings = on_loopback();
    settings.port = port;
    auto made = Server::listen(loop, settings, [](Request, Respond respond) { respond({}); }, services);
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
    if (!channel)
      channel = GrpcChannel::make(loop, {.url = "http://127.0.0.1:" + std::to_string(server->port()), .tls = {}});
  }
  Talk open(const std::string& path = "/test.Echo/Talk") {
    Talk talk;
    talk.stream = channel->open(path, {}, std::make_unique<Listener>(talk.seen));
    return talk;
  }

  const std::shared_ptr<Heard> flooder = std::make_shared<Heard>();
  Box<int> came_from;
  EventLoop loop{2};
  std::unique_ptr<Server> server;
  std::shared_ptr<GrpcChannel> channel;
};

TEST_F(Channel, StreamsThatAreOpenedTogetherShareTheConnectionThatIsMadeForThem) {
  serve();
  Talk first = open(), second = open();
  EXPECT_EQ(first.say("1"), "<1>");
  EXPECT_EQ(second.say("2"), "<2>");
  Talk third = open();
  EXPECT_EQ(third.say("3"), "<3>");
  EXPECT_EQ(came_from.take(), came_from.take());
  EXPECT_EQ(server->connection_count(), 1U);
}

TEST_F(Channel, ItStaysWithoutStreams) {
  serve();
  Talk first = open();
  EXPECT_EQ(first.say("1"), "<1>");
  first.stream->finish({1, "enough"});
  EXPECT_EQ(first.seen->closed.take().message, "enough");
  Talk second = open();
  EXPECT_EQ(second.say("2"), "<2>");
  EXPECT_EQ(came_from.take(), came_from.take());
}

TEST_F(Channel, StreamsOutliveIt) {
  serve();
  Talk talk = open();
  channel.reset();
  EXPECT_EQ(talk.say("still"), "<still>");
}

TEST_F(Channel, AStreamThatIsOpenedAfterALossMakesANewConnection) {
  serve();
  Talk first = open(), second = open();
  EXPECT_EQ(first.say("1"), "<1>");
  EXPECT_EQ(second.say("2"), "<2>");
  const int port = server->port();
  server.reset();
  EXPECT_EQ(first.seen->closed.take().code, kGrpcUnavailable);
  EXPECT_EQ(second.seen->closed.take().code, kGrpcUnavailable);

  EXPECT_EQ(open().seen->closed.take().code, kGrpcUnavailable) << "nobody is there";
  serve(port);
  Talk again = open();
  EXPECT_EQ(again.say("again"), "<again>");
}

TEST_F(Channel, WhereTheServerTakesNoMoreANewConnectionIsMadeAndOldStreamsGoOn) {
  serve();
  Talk old = open();
  EXPECT_EQ(old.say("1"), "<1>");
  const auto leaving = std::move(server);
  const int port = leaving->port();
  leaving->drain(60s);
  EXPECT_EQ(old.say("2"), "<2>");  // the goodbye has come before this
  serve(port);
  Talk fresh = open();
  EXPECT_EQ(fresh.say("3"), "<3>");
  EXPECT_EQ(server->connection_count(), 1U);
  EXPECT_EQ(old.say("4"), "<4>");
}

TEST_F(Channel, AStreamThatIsGivenUpBeforeTheConnectionStandsHearsSo) {
  serve();
  Talk talk = open();
  talk.stream->finish({1, "changed my mind"});
  EXPECT_EQ(talk.seen->closed.take().message, "changed my mind");
  EXPECT_EQ(open().say("1"), "<1>");
}

TEST_F(Channel, AStreamThatIsNotReadHoldsUpNoOtherAndIsNotSentMoreThanItsWindow) {
  serve();
  Talk quick = open();
  EXPECT_EQ(quick.say("1"), "<1>");
  Talk slow;
  slow.stream = channel->open("/test.Flood/Talk", {}, std::make_unique<Listener>(slow.seen));
  slow.stream->set_reading(false);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(quick.say("x"), "<x>");
  EXPECT_EQ(slow.seen->messages.size(), 0U);
  EXPECT_EQ(flooder->all_sent.size(), 0U) << "4 MiB wait for a window of 1";

  slow.stream->set_reading(true);
  for (int i = 0; i < 64; ++i) ASSERT_EQ(slow.seen->messages.take().size(), 64UL << 10);
  EXPECT_TRUE(flooder->all_sent.take());
}

TEST(StreamNumbers, OfAFewStreamsLieWhereTheTableIsInMemoryAnyway) {
  for (const std::uint32_t cheap : {1U, 3U, 11U, 19U}) EXPECT_TRUE(Http2Memory::is_cheap(cheap)) << cheap;
  for (const std::uint32_t dear : {5U, 7U, 9U}) EXPECT_FALSE(Http2Memory::is_cheap(dear)) << dear;
}

TEST(UnixServer, IsForItsUserAloneReplacesWhatWasLeftAndGoesWithItsSocket) {
  const std::string folder = testing::TempDir() + "unix-server-" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/x.sock";
  EventLoop loop(1);
  const auto listen = [&] {
    ServerSettings settings{.name = "test", .address = {}, .port = 0, .unix_socket = path, .limits = {}};
    return Server::listen(loop, settings, [](Request, Respond respond) { respond({.status = 204}); });
  };
  const auto ask = [&] {
    ClientRequest request;
    request.url = "http://any/";
    request.unix_socket = path;
    Box<int> status;
    fetch(loop, std::move(request), [&](Result<Response> answer) { status.put(answer ? answer->status : -1); });
    return status.take();
  };
  {  // of a program that was killed
    const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(left, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(left);
  }
  {
    const auto server = listen();
    ASSERT_TRUE(server) << server.error().message();
    struct stat found{};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600U);
    EXPECT_EQ(ask(), 204);
  }
  EXPECT_FALSE(std::filesystem::exists(path));

  std::ofstream(path) << "somebody's file";
  EXPECT_FALSE(listen()) << "what is no socket stays";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mesh::wire
