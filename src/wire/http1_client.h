// The client's side of HTTP/1.1: one request and its answer on a connection.
#pragma once

#include <functional>
#include <memory>

#include "wire/client.h"
#include "wire/dial.h"
#include "wire/protocol.h"

namespace mesh::wire {

// `on_result` runs once: with the answer, or with why there is none.
std::unique_ptr<Protocol> make_http1_client(ProtocolHost& host, const ClientUrl& url, ClientRequest request,
                                            OnResponse on_result);

}  // namespace mesh::wire
