#include "sidecar/readiness.h"

namespace mesh::sidecar {

wire::Response answer_readiness(const wire::Request& request, Standing standing) {
  wire::Response response;
  response.headers.add("content-type", "text/plain");
  response.headers.add("cache-control", "no-cache, max-age=0");
  if (request.path != "/ready") {
    response.status = 404;
    response.body = "only /ready is here\n";
    return response;
  }
  switch (standing) {
    case Standing::Ready: response.body = "READY"; break;
    case Standing::Starting: response.body = "NOT_READY"; break;
    case Standing::Leaving: response.body = "TERMINATING"; break;
  }
  response.status = standing == Standing::Ready ? 200 : 503;
  return response;
}

Result<std::unique_ptr<ReadinessServer>> ReadinessServer::listen(wire::EventLoop& loop, const std::string& address,
                                                                 std::uint32_t port) {
  auto readiness = std::make_unique<ReadinessServer>();
  wire::ServerSettings settings;
  settings.name = "readiness";
  settings.address = address;
  settings.port = static_cast<int>(port);
  settings.limits.max_connections = 100;
  settings.limits.max_body_bytes = 4096;
  const auto standing = readiness->standing_;
  MESH_TRY(readiness->server_, wire::Server::listen(loop, std::move(settings),
                                                    [standing](const wire::Request& request, wire::Respond respond) {
                                                      respond(answer_readiness(request, standing->load()));
                                                    }));
  return readiness;
}

}  // namespace mesh::sidecar
