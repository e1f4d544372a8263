#include "cli/fake_control_plane.h"

#include <fmt/format.h>

namespace mesh::cli {

FakeControlPlane::FakeControlPlane() {
  auto server =
      wire::Server::listen(loop_, {.name = "fake", .address = "127.0.0.1", .port = 0, .limits = {}},
                           [this](wire::Request request, wire::Respond done) { done(respond(std::move(request))); });
  EXPECT_TRUE(server) << server.error().message();
  server_ = std::move(*server);
}

std::string FakeControlPlane::url() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }

void FakeControlPlane::answer(const std::string& request, int status, std::string body) {
  std::lock_guard lock(mutex_);
  answers_[request] = {.status = status, .headers = {}, .body = std::move(body)};
}

wire::Response FakeControlPlane::respond(wire::Request request) {
  std::lock_guard lock(mutex_);
  const std::string line = request.method + " " + request.target;
  seen_.emplace_back(line, std::move(request));
  const auto found = answers_.find(line);
  return found == answers_.end() ? wire::Response{.status = 404, .headers = {}, .body = "404: Page Not Found"}
                                 : found->second;
}

std::vector<std::string> FakeControlPlane::requests() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  for (const auto& [line, request] : seen_) lines.push_back(line);
  return lines;
}

std::string FakeControlPlane::body_of(const std::string& wanted) const {
  std::lock_guard lock(mutex_);
  for (auto it = seen_.rbegin(); it != seen_.rend(); ++it) {
    if (it->first == wanted) return it->second.body;
  }
  return "(was not asked)";
}

std::string FakeControlPlane::header_of(const std::string& wanted, std::string_view name) const {
  std::lock_guard lock(mutex_);
  for (auto it = seen_.rbegin(); it != seen_.rend(); ++it) {
    if (it->first == wanted) return std::string(it->second.headers.find(name).value_or("(none)"));
  }
  return "(was not asked)";
}

}  // namespace mesh::cli
