// Bytes over a socket, with or without TLS. No waiting here: calls say when the socket would block. TLS output goes
// through the same buffer as plain output, so that one turn ends in one write, however many TLS records it made.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire/tls.h"

namespace mesh::wire {

// A buffer for the length of one turn. Threads keep a few, so that connections need none of their own.
class Scratch {
 public:
  static constexpr std::size_t kSize = 64UL << 10;
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string& operator*() { return *buffer_; }
  std::string* operator->() { return buffer_.get(); }

 private:
  std::unique_ptr<std::string> buffer_;
};

class Transport {
 public:
  enum class Outcome { Ok, WouldBlock, End, Failed };

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  void open(int fd, Ssl ssl);  // plain without `ssl`; the descriptor stays the caller's
  void close();
  bool is_tls() const { return ssl_ != nullptr; }
  const ssl_st* ssl() const { return ssl_.get(); }

  Outcome handshake();  // WouldBlock: flush, then wait until readable
  Outcome read(char* buffer, std::size_t size, std::size_t& got);
  // Sends; what the socket does not take now is kept for flush(). False: the connection is broken.
  bool write(std::string_view bytes);
  Outcome flush();
  std::size_t kept_bytes() const { return kept_.size() - kept_from_; }
  bool has_received() const { return has_received_; }
  // Everything that has arrived was read, so that the next read would only say WouldBlock.
  bool is_drained() const;
  void say_goodbye();  // TLS close_notify, then the end of our direction
  // Reads and throws away without decrypting, while a connection lingers.
  Outcome discard();
  const std::string& failure() const { return failure_; }
  bool got_plain_http() const { return got_plain_http_; }  // the handshake failed since no TLS was spoken

  // For the TLS library's callbacks.
  int take_encrypted(const char* bytes, int size);
  int give_encrypted(char* buffer, int size);

 private:
  bool send_now(std::string_view bytes);
  Outcome outcome_of(int result, const char* doing);

  int fd_ = -1;
  Ssl ssl_;
  std::string* collecting_ = nullptr;  // where encrypted bytes go during write()
  std::string kept_;
  std::size_t kept_from_ = 0;
  std::string failure_;
  bool has_received_ = false, is_socket_empty_ = false, read_ended_ = false, got_plain_http_ = false, broken_ = false;
};

}  // namespace mesh::wire
