#include "sidecar/inbound_probe.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace mesh::sidecar {

struct InboundProbe::Target {
  SocketAddress where;
  int connecting = -1;  // a socket whose connection is not decided yet
};

namespace {

// 0: connected, EINPROGRESS: not decided, else the reason.
int begin_connect(const SocketAddress& where, int& socket) {
  sockaddr_storage raw{};
  socklen_t size = 0;
  auto& v4 = reinterpret_cast<sockaddr_in&>(raw);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(raw);
  if (::inet_pton(AF_INET, where.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<std::uint16_t>(where.port));
    size = sizeof v4;
  } else if (::inet_pton(AF_INET6, where.address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(static_cast<std::uint16_t>(where.port));
    size = sizeof v6;
  } else {
    return EAFNOSUPPORT;
  }
  socket = ::socket(raw.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return errno;
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&raw), size) == 0 ? 0 : errno;
}

int look_again(int socket) {
  pollfd waiting{socket, POLLOUT, 0};
  if (::poll(&waiting, 1, 0) == 0) return EINPROGRESS;
  int reason = 0;
  socklen_t size = sizeof reason;
  return ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &reason, &size) == 0 ? reason : errno;
}

}  // namespace

InboundProbe::InboundProbe(std::vector<SocketAddress> addresses) {
  for (SocketAddress& address : addresses) targets_.push_back({std::move(address)});
}

InboundProbe::~InboundProbe() {
  for (const Target& target : targets_) {
    if (target.connecting >= 0) ::close(target.connecting);
  }
}

std::vector<SocketAddress> InboundProbe::find_closed() {
  std::vector<SocketAddress> closed;
  for (Target& target : targets_) {
    int state = EINPROGRESS;
    if (target.connecting < 0) state = begin_connect(target.where, target.connecting);
    if (state == EINPROGRESS) state = look_again(target.connecting);  // on one machine it is decided by now
    if (state != 0) closed.push_back(target.where);
    if (state != EINPROGRESS && target.connecting >= 0) ::close(std::exchange(target.connecting, -1));
  }
  return closed;
}

}  // namespace mesh::sidecar
