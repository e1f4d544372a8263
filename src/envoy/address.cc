#include "envoy/address.h"

#include <arpa/inet.h>
#include <envoy/config/core/v3/address.pb.h>

namespace mesh::envoy {

bool is_ipv6(const std::string& address) {
  if (!address.contains(':')) return false;
  in6_addr parsed;
  return inet_pton(AF_INET6, address.c_str(), &parsed) == 1;
}

bool is_ip(const std::string& address) {
  in_addr parsed;
  return inet_pton(AF_INET, address.c_str(), &parsed) == 1 || is_ipv6(address);
}

void set_address(const std::string& ip, std::uint32_t port, ::envoy::config::core::v3::Address& address) {
  auto& socket = *address.mutable_socket_address();
  socket.set_address(ip);
  socket.set_port_value(port);
}

}  // namespace mesh::envoy
