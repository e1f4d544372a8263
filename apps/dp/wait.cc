#include "dp/wait.h"

#include <condition_variable>
#include <mutex>

#include "base/log.h"
#include "wire/client.h"

namespace mesh {

namespace {

std::string problem_of(const Result<wire::Response>& response) {
  if (!response) return response.error().message();
  if (response->status == 200) return {};
  return "answers " + std::to_string(response->status) + " " + response->body.substr(0, 100);
}

}  // namespace

Status wait_until_ready(const WaitSettings& settings) {
  wire::ClientRequest request;
  request.url = settings.unix_socket.empty() ? settings.url : "http://localhost/ready";
  request.unix_socket = settings.unix_socket;
  request.timeout = settings.request_timeout;
  std::mutex mutex;
  std::condition_variable never;
  const SteadyTime give_up_at = real_clock().steady() + settings.timeout;
  std::string said;
  for (;;) {
    const std::string problem = problem_of(wire::fetch_and_wait(request));
    if (problem.empty()) return {};
    if (problem != said) MESH_LOG_INFO("wait", "the proxy is not ready: {}", problem);
    said = problem;
    if (real_clock().steady() + settings.check_frequency > give_up_at) {
      return error(ErrorKind::Unavailable,
                   "the proxy was not ready within " + format_duration(settings.timeout) + ": " + problem);
    }
    std::unique_lock lock(mutex);
    never.wait_for(lock, settings.check_frequency, [] { return false; });
  }
}

}  // namespace mesh
