// Addresses as Envoy takes them: IP addresses, not names.
#pragma once

#include <cstdint>
#include <string>

namespace envoy::config::core::v3 {
class Address;
}

namespace mesh::envoy {

bool is_ip(const std::string& address);
bool is_ipv6(const std::string& address);

void set_address(const std::string& ip, std::uint32_t port, ::envoy::config::core::v3::Address& address);

}  // namespace mesh::envoy
