#include "api/api_server.h"

#include "api/problem.h"
#include "api/worker_pool.h"
#include "base/log.h"

namespace mesh {

struct ApiServer::State {
  Api api;
  api::WorkerPool workers;
  std::unique_ptr<wire::Server> http, https;  // last: they go first, and with them the requests

  State(ApiParts parts, ApiSettings settings, const ApiListeners& listeners)
      : api(parts, std::move(settings)), workers(listeners.workers, listeners.max_waiting) {}

  wire::Handler handler() {
    return [this](wire::Request request, wire::Respond respond) {
      // Shared, because a job that is not taken has to give both back.
      auto answer = std::make_shared<wire::Respond>(std::move(respond));
      api::Job job = [this, request = std::move(request), answer] { (*answer)(api.answer(request)); };
      if (!workers.try_run(job)) {
        (*answer)(api::problem_response({503, "Service unavailable", "Too many requests are waiting; try again", {}}));
      }
    };
  }
};

ApiServer::ApiServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::start(wire::EventLoop& loop, ApiParts parts, ApiSettings settings,
                                                    ApiListeners listeners) {
  auto state = std::make_unique<State>(parts, std::move(settings), listeners);
  if (listeners.http) {
    wire::ServerSettings where{
        .name = "api", .address = listeners.http_address, .port = listeners.http_port, .limits = listeners.limits};
    auto opened = wire::Server::listen(loop, std::move(where), state->handler());
    if (!opened) return with_context(std::move(opened).error(), "apiServer.http.port (KUMA_API_SERVER_HTTP_PORT)");
    state->http = *std::move(opened);
    MESH_LOG_INFO("api", "listening on http://{}:{}", listeners.http_address, state->http->port());
  }
  if (listeners.https) {
    wire::ServerSettings where{
        .name = "api", .address = listeners.https_address, .port = listeners.https_port, .limits = listeners.limits};
    auto opened = wire::Server::listen_tls(loop, std::move(where), listeners.tls, state->handler());
    if (!opened) return with_context(std::move(opened).error(), "apiServer.https.port (KUMA_API_SERVER_HTTPS_PORT)");
    state->https = *std::move(opened);
    MESH_LOG_INFO("api", "listening on https://{}:{}", listeners.https_address, state->https->port());
  }
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(state)));
}

int ApiServer::http_port() const { return state_->http ? state_->http->port() : 0; }
int ApiServer::https_port() const { return state_->https ? state_->https->port() : 0; }

Status ApiServer::replace_tls(wire::TlsServerSettings tls) {
  return state_->https ? state_->https->replace_tls(std::move(tls)) : Status{};
}

void ApiServer::drain(Duration grace) {
  if (state_->http) state_->http->drain(grace);
  if (state_->https) state_->https->drain(grace);
}

}  // namespace mesh
