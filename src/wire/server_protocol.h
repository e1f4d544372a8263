// Which protocol a server speaks on a new connection: what ALPN agreed on, else HTTP/2 when the client opens with its
// preface ("prior knowledge"), else HTTP/1.1.
#pragma once

#include <memory>
#include <string_view>

#include "wire/protocol.h"
#include "wire/service.h"

namespace mesh::wire {

std::unique_ptr<Protocol> make_server_protocol(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host,
                                               std::shared_ptr<const Service> service, std::string_view alpn);

}  // namespace mesh::wire
