// How this room reaches the network: one function, so that tests answer in its place.
#pragma once

#include <functional>

#include "base/result.h"
#include "wire/client.h"

namespace mesh::aws {

// May block until the request's timeout. Does not follow redirects.
using Fetch = std::function<Result<wire::Response>(wire::ClientRequest)>;

inline Fetch fetch_over_network() {
  return [](wire::ClientRequest request) { return wire::fetch_and_wait(std::move(request)); };
}

}  // namespace mesh::aws
