#include "wire/server_protocol.h"

#include <algorithm>

#include "wire/http1_server.h"

namespace mesh::wire {

namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

}  // namespace

std::unique_ptr<Protocol> make_server_protocol(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host,
                                               std::shared_ptr<const Service> service, std::string_view alpn) {
  return make_http1_server(host, std::move(weak_host), std::move(service));
}

}  // namespace mesh::wire
