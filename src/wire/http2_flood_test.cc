#include <gmock/gmock.h>

#include "wire/server.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;

class Http2Flood : public testing::Test {
 protected:
  void serve(Limits limits = {}) {
    auto made = Server::listen(loop, on_loopback(limits), [](Request, Respond respond) {
      respond({.status = 200, .headers = {}, .body = std::string(200'000, 'x')});
    });
    ASSERT_TRUE(made) << made.error().message();
    server = *std::move(made);
  }
  static Fields request() { return {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "test"}}; }

  EventLoop loop{2};
  std::unique_ptr<Server> server;
};

// One byte of a block can stand for a header of thousands: what counts is what comes out.
TEST_F(Http2Flood, RefusesHeadersThatAreSmallOnlyAsLongAsTheyArePacked) {
  serve();
  Http2Peer peer(RawPeer(server->port()));
  const auto length = [](std::size_t size) {  // of a string, in seven bits and then as many as it takes
    std::string out(1, static_cast<char>(0x7f));
    for (size -= 0x7f; size >= 0x80; size >>= 7) out += static_cast<char>((size & 0x7f) | 0x80);
    return out + static_cast<char>(size);
  };
  const std::string bomb = "\x40\x01x" + length(3900) + std::string(3900, 'y');  // goes into the table
  const std::string block = peer.block_of(request()) + bomb + std::string(10'000, static_cast<char>(0x80 | 62));
  peer.send(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block));
  EXPECT_EQ(peer.read_answer(1).headers[":status"], "431");
}

TEST_F(Http2Flood, EndsConnectionsThatTakeTheirAnswerByteByByte) {
  serve();
  Http2Peer peer(RawPeer(server->port()), std::string("\0\4", 2) + big_endian(1));  // a window of one byte
  peer.send_headers(1, request(), true);
  std::optional<std::uint32_t> reason;
  for (auto next = peer.read_frame(); next.type >= 0 && !reason; next = peer.read_frame()) {
    if (next.type == NGHTTP2_GOAWAY) reason = 0;
    if (next.type == NGHTTP2_DATA) peer.send(frame(NGHTTP2_WINDOW_UPDATE, 0, 1, big_endian(1)));
  }
  EXPECT_TRUE(reason.has_value());
}

TEST_F(Http2Flood, BearsAPeerThatTakesItsAnswerInSmallButHonestParts) {
  serve();
  Http2Peer peer(RawPeer(server->port()), std::string("\0\4", 2) + big_endian(100));
  peer.send_headers(1, request(), true);
  EXPECT_EQ(peer.read_answer(1).body.size(), 200'000U);
}

}  // namespace
}  // namespace mesh::wire
