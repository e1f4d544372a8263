// Socket addresses, and sockets made from them. All sockets are non-blocking and closed on exec.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "wire/event_loop.h"

namespace mesh::wire {

class SocketAddress {
 public:
  static std::optional<SocketAddress> parse(const std::string& ip, int port);  // IPv4 or IPv6 text, [::1] too
  static SocketAddress from(const sockaddr* address, unsigned size);
  static Result<SocketAddress> unix_path(const std::string& path);
  static SocketAddress local_of(int fd);
  static SocketAddress remote_of(int fd);

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return storage_.ss_family; }
  std::string ip() const;  // IPv4-mapped IPv6 addresses are written as IPv4; empty for Unix sockets
  int port() const;
  bool is_loopback() const;
  std::string text() const;  // "127.0.0.1:80", "[::1]:80", "/run/x.sock"

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// Names end on `strand`. An IP address is not looked up.
void resolve(const Strand& strand, const std::string& host, int port,
             std::move_only_function<void(Result<std::vector<SocketAddress>>)> on_addresses);

// A listening socket; its error names the address and the reason.
Result<int> listen_on(const std::string& address, int port);
// On a Unix socket that only this user may connect to. A socket that is there already goes.
Result<int> listen_on_unix(const std::string& path);

// A socket whose connecting has begun: it is writable when that ended, see connect_error().
Result<int> begin_connect(const SocketAddress& address);
int connect_error(int fd);  // errno, 0 when connected

void set_no_delay(int fd);

}  // namespace mesh::wire
