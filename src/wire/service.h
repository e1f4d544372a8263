// What a server's connections share: who answers, and the limits.
#pragma once

#include "wire/grpc.h"
#include "wire/http.h"
#include "wire/server.h"

namespace mesh::wire {

struct Service {
  Handler http;
  GrpcServices grpc;
  Limits limits;
};

}  // namespace mesh::wire
