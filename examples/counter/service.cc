#include "service.h"

#include <csignal>
#include <cstdio>

#include "base/clock.h"
#include "base/log.h"

namespace counter {

using namespace mesh;

std::string variable(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

wire::Response json_answer(int status, std::string body) {
  wire::Response response;
  response.status = status;
  response.headers.add("content-type", "application/json");
  response.body = std::move(body) + "\n";
  return response;
}

wire::Response error_answer(int status, std::string_view what) {
  return json_answer(status, "{\"error\":\"" + std::string(what) + "\"}");
}

int serve(const std::string& name, const std::string& default_port, wire::EventLoop& loop, wire::Handler handler) {
  wire::ServerSettings settings;
  settings.name = name;
  settings.address = variable("ADDRESS", "127.0.0.1");
  settings.port = std::atoi(variable("PORT", default_port).c_str());
  auto server = wire::Server::listen(loop, settings,
                                     [handler = std::move(handler)](wire::Request request, wire::Respond respond) {
                                       if (request.path == "/healthz")
                                         return respond(json_answer(200, "{\"status\":\"ok\"}"));
                                       handler(std::move(request), std::move(respond));
                                     });
  if (!server) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), server.error().message().c_str());
    return 1;
  }
  MESH_LOG_INFO(name, "listening on {}:{}", settings.address, (*server)->port());

  const auto delay = parse_duration(variable("SHUTDOWN_DELAY", "3s")).value_or(std::chrono::seconds(3));
  constexpr auto kGrace = std::chrono::seconds(5);
  const wire::Strand strand = loop.make_strand();
  wire::Timer drain, end;
  bool stopping = false;
  loop.on_signals({SIGTERM, SIGINT}, [&](int) {
    strand.post([&] {
      if (std::exchange(stopping, true)) return loop.stop();  // asked twice
      drain = strand.after(delay, [&] {
        (*server)->drain(kGrace);
        end = strand.after(kGrace, [&] { loop.stop(); });
      });
    });
  });
  loop.wait();
  return 0;
}

}  // namespace counter
