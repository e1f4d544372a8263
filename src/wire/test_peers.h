// The other side of a connection, for tests: raw sockets that say exactly what a test wants to say, over TCP or TLS,
// HTTP/2 frames made by hand, certificates, and a box to wait at.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wire/grpc.h"
#include "wire/server.h"

namespace mesh::wire::test {

using namespace std::chrono_literals;

// Values from other threads, waited for with a deadline that only a broken test meets.
template <class T>
class Box {
 public:
  void put(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    arrived_.notify_all();
  }
  T take() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, 60s, [&] { return !values_.empty(); })) {
      ADD_FAILURE() << "nothing came";
      return T{};
    }
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }
  std::size_t size() {
    std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<T> values_;
};

struct KeyPair {
  std::string certificate_pem, key_pem;
};
// Signed by `issuer`, or by itself. `names` are DNS names and IP addresses.
KeyPair make_certificate(const std::string& common_name, const std::vector<std::string>& names,
                         const KeyPair* issuer = nullptr);

// A blocking connection to a port of this machine. Reading ends after 60 s at the latest.
class RawPeer {
 public:
  explicit RawPeer(int port);
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  RawPeer(RawPeer&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        context_(std::exchange(other.context_, nullptr)),
        ssl_(std::exchange(other.ssl_, nullptr)) {}
  ~RawPeer() { close(); }

  // `alpn`: names to offer. False: the handshake failed.
  bool start_tls(const std::vector<std::string>& alpn, const KeyPair* certificate = nullptr,
                 int max_version = TLS1_3_VERSION);
  std::string chosen_alpn() const;
  std::string server_common_name() const;

  bool send(std::string_view bytes);  // false: the other side is gone
  std::string read_some();            // empty: closed
  std::string read_exactly(std::size_t size);
  std::string read_until(std::string_view end);
  std::string read_all();
  void shut_down_sending() { ::shutdown(fd_, SHUT_WR); }
  void close();
  void set_small_receive_buffer();

 private:
  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string ahead_;
};

// HTTP/2 by hand.
using Fields = std::vector<std::pair<std::string, std::string>>;
constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
std::string frame(int type, int flags, std::uint32_t stream, std::string_view payload = {});
std::string big_endian(std::uint32_t number);
std::string message(std::string_view content, bool is_compressed = false);  // with gRPC's prefix

class Http2Peer {
 public:
  explicit Http2Peer(RawPeer peer, std::string_view settings = {});
  ~Http2Peer();
  RawPeer& raw() { return peer_; }

  bool send(std::string_view frames) { return peer_.send(frames); }
  void send_headers(std::uint32_t stream, const Fields& fields, bool ends_stream);
  void open_grpc(std::uint32_t stream, const std::string& path);
  std::string block_of(const Fields& fields);

  struct Frame {
    int type = -1;  // -1: the connection was closed
    int flags = 0;
    std::uint32_t stream = 0;
    std::string payload;
  };
  Frame read_frame();
  // Reads on until the stream ends. Answers SETTINGS and PING, and opens windows unless told not to.
  struct Answer {
    std::map<std::string, std::string> headers, trailers;
    std::string body;
    std::optional<std::uint32_t> reset;
    bool connection_closed = false;
  };
  Answer read_answer(std::uint32_t stream);
  // The error code of GOAWAY; nothing when the connection closed without one.
  std::optional<std::uint32_t> read_goaway();

 private:
  std::map<std::string, std::string> fields_of(std::string_view block);

  RawPeer peer_;
  nghttp2_hd_deflater* deflater_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

ServerSettings on_loopback(Limits limits = {});
std::string get(std::string_view path, std::string_view more_headers = {});  // a request of HTTP/1.1

// What is heard of a gRPC stream.
struct Heard {
  Box<std::string> messages;
  Box<GrpcStatus> closed;
  Box<bool> all_sent, half_closed;
};
struct Listener final : GrpcEvents {
  explicit Listener(std::shared_ptr<Heard> where) : heard(std::move(where)) {}
  void on_message(std::string message) override { heard->messages.put(std::move(message)); }
  void on_all_sent() override { heard->all_sent.put(true); }
  void on_half_closed() override { heard->half_closed.put(true); }
  void on_closed(const GrpcStatus& status) override { heard->closed.put(status); }
  std::shared_ptr<Heard> heard;
};
// Says each message again, in brackets.
struct Echo final : GrpcEvents {
  explicit Echo(std::shared_ptr<GrpcStream> back) : stream(std::move(back)) {}
  void on_message(std::string message) override { stream->send({make_bytes("<" + message + ">")}); }
  void on_closed(const GrpcStatus&) override { stream.reset(); }
  std::shared_ptr<GrpcStream> stream;
};

}  // namespace mesh::wire::test
