#include "wire/address.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace mesh::wire {

namespace {

std::string reason(int number) {
  if (number == EADDRINUSE) return "it is already in use";
  if (number == EACCES) return "this user may not (ports below 1024 need a privilege)";
  if (number == EADDRNOTAVAIL) return "this machine has no such address";
  return std::generic_category().message(number);
}

}  // namespace

std::optional<SocketAddress> SocketAddress::parse(const std::string& ip, int port) {
  if (port < 0 || port > 65535) return std::nullopt;
  sockaddr_in v4{};
  if (inet_pton(AF_INET, ip.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(port));
    return from(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  std::string bare = ip.size() > 2 && ip.front() == '[' && ip.back() == ']' ? ip.substr(1, ip.size() - 2) : ip;
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, bare.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(port));
    return from(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return std::nullopt;
}

SocketAddress SocketAddress::from(const sockaddr* address, unsigned size) {
  SocketAddress result;
  result.size_ = std::min<unsigned>(size, sizeof result.storage_);
  std::memcpy(&result.storage_, address, result.size_);
  return result;
}

Result<SocketAddress> SocketAddress::unix_path(const std::string& path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return invalid(
        path, fmt::format("is not usable as a Unix socket: a path has 1 to {} bytes", sizeof address.sun_path - 1));
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

SocketAddress SocketAddress::local_of(int fd) {
  SocketAddress result;
  result.size_ = sizeof result.storage_;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.size_) != 0) return {};
  return result;
}

SocketAddress SocketAddress::remote_of(int fd) {
  SocketAddress result;
  result.size_ = sizeof result.storage_;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&result.storage_), &result.size_) != 0) return {};
  return result;
}

std::string SocketAddress::ip() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text, sizeof text);
  } else if (family() == AF_INET6) {
    const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
      inet_ntop(AF_INET, address.s6_addr + 12, text, sizeof text);
    } else {
      inet_ntop(AF_INET6, &address, text, sizeof text);
    }
  }
  return text;
}

int SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  return 0;
}

bool SocketAddress::is_loopback() const {
  if (family() != AF_INET && family() != AF_INET6) return false;
  std::string text = ip();
  return text.starts_with("127.") || text == "::1";
}

std::string SocketAddress::text() const {
  if (family() == AF_UNIX) return reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path;
  std::string address = ip();
  return address.contains(':') ? fmt::format("[{}]:{}", address, port()) : fmt::format("{}:{}", address, port());
}

Result<int> listen_on(const std::string& address, int port) {
  auto parsed = SocketAddress::parse(address.empty() ? "0.0.0.0" : address, port);
  if (!parsed) return invalid(fmt::format("{}:{}", address, port), "is not an IP address and a port from 0 to 65535");
  auto failed = [&](const char* doing) {
    return error(ErrorKind::Unavailable, fmt::format("cannot {} {}: {}", doing, parsed->text(), reason(errno)));
  };
  int fd = ::socket(parsed->family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("open a socket for");
  const int on = 1, off = 0;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (parsed->family() == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(fd, parsed->data(), parsed->size()) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    Error failure = failed("listen on");
    ::close(fd);
    return failure;
  }
  return fd;
}

Result<int> listen_on_unix(const std::string& path) {
  MESH_TRY(const SocketAddress address, SocketAddress::unix_path(path));
  const auto failed = [&](const char* doing) {
    return error(ErrorKind::Unavailable, fmt::format("cannot {} {}: {}", doing, path, reason(errno)));
  };
  struct stat found{};
  if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode) && ::unlink(path.c_str()) != 0)
    return failed("replace");
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("open a socket for");
  // The mode of the socket is that of the path that it is bound to: nobody gets in before it is set.
  if (::fchmod(fd, 0600) != 0 || ::bind(fd, address.data(), address.size()) != 0 || ::listen(fd, SOMAXCONN) != 0) {
    Error failure = failed("listen on");
    ::close(fd);
    return failure;
  }
  return fd;
}

Result<int> begin_connect(const SocketAddress& address) {
  int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return error(ErrorKind::Unavailable,
                 fmt::format("cannot open a socket: {}", std::generic_category().message(errno)));
  }
  if (::connect(fd, address.data(), address.size()) != 0 && errno != EINPROGRESS) {
    int number = errno;
    ::close(fd);
    return error(ErrorKind::Unavailable,
                 fmt::format("cannot connect to {}: {}", address.text(), std::generic_category().message(number)));
  }
  if (address.family() != AF_UNIX) set_no_delay(fd);
  return fd;
}

int connect_error(int fd) {
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0) return errno;
  return number;
}

void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace mesh::wire
