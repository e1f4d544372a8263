// The server's side of HTTP/1.1 on one connection: one request at a time; pipelined ones wait their turn.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "wire/protocol.h"
#include "wire/service.h"

namespace mesh::wire {

std::unique_ptr<Protocol> make_http1_server(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host,
                                            std::shared_ptr<const Service> service);

}  // namespace mesh::wire
