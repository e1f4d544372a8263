#include "sidecar/envoy_admin.h"

#include <algorithm>
#include <charconv>

#include "base/log.h"

namespace mesh::sidecar {

EnvoyAdmin::EnvoyAdmin(wire::EventLoop& loop, wire::Strand strand, const Bootstrap& bootstrap)
    : loop_(loop), strand_(std::move(strand)), socket_(bootstrap.admin_socket) {
  if (!socket_.empty()) {
    base_url_ = "http://localhost";
    return;
  }
  SocketAddress address = bootstrap.admin_address;
  if (address.address == "0.0.0.0") address.address = "127.0.0.1";
  if (address.address == "::") address.address = "::1";
  base_url_ = "http://" + address.to_string();
}

void EnvoyAdmin::ask(std::string method, std::string path, std::function<void(Result<wire::Response>)> on_answer) {
  wire::ClientRequest request;
  request.method = std::move(method);
  request.url = base_url_ + path;
  request.unix_socket = socket_;
  request.timeout = std::chrono::seconds(3);
  request.max_response_bytes = 1UL << 20;
  wire::fetch(loop_, std::move(request),
              [strand = strand_, on_answer = std::move(on_answer)](Result<wire::Response> response) mutable {
                strand.post([on_answer = std::move(on_answer), response = std::move(response)]() mutable {
                  on_answer(std::move(response));
                });
              });
}

void EnvoyAdmin::check_ready(std::function<void(std::string)> on_answer) {
  ask("GET", "/ready", [on_answer = std::move(on_answer)](const Result<wire::Response>& response) {
    if (!response) return on_answer("Envoy's admin does not answer yet");
    std::string state = response->body;
    while (!state.empty() && (state.back() == '\n' || state.back() == '\r')) state.pop_back();
    if (response->status == 200) return on_answer({});
    on_answer(state == "PRE_INITIALIZING" || state == "INITIALIZING"
                  ? "Envoy has not got its configuration from the control plane yet (" + state + ")"
                  : "Envoy is " + state);
  });
}

void EnvoyAdmin::fail_health_checks() {
  ask("POST", "/healthcheck/fail", [](const Result<wire::Response>& response) {
    if (!response) MESH_LOG_WARN("sidecar", "Envoy was not told to fail health checks: {}", response.error().message());
  });
}

void EnvoyAdmin::drain_listeners() {
  // inboundonly: the application still needs its outbounds to finish what it does. skip_exit: the ports stay open until
  // Envoy ends, for those who have not heard yet.
  ask("POST", "/drain_listeners?graceful&inboundonly&skip_exit", [](const Result<wire::Response>& response) {
    if (!response) MESH_LOG_WARN("sidecar", "Envoy was not told to drain: {}", response.error().message());
  });
}

void EnvoyAdmin::count_active(const std::vector<SocketAddress>& inbounds, std::function<void(long)> on_answer) {
  ask("GET", "/stats?filter=%5Elistener%5C..*%5C.downstream_cx_active%24",
      [inbounds, on_answer = std::move(on_answer)](const Result<wire::Response>& response) {
        on_answer(response && response->status == 200 ? sum_active(response->body, inbounds) : -1);
      });
}

long sum_active(std::string_view stats, const std::vector<SocketAddress>& inbounds) {
  long sum = 0;
  for (const SocketAddress& inbound : inbounds) {
    // Envoy writes 10.0.0.2_8080, and of [::1]:8080 [__1]_8080.
    std::string name = inbound.to_string();
    std::replace(name.begin(), name.end(), ':', '_');
    name = "listener." + name + ".downstream_cx_active: ";
    const auto at = stats.find(name);
    if (at == std::string_view::npos || (at != 0 && stats[at - 1] != '\n')) continue;
    long value = 0;
    std::from_chars(stats.data() + at + name.size(), stats.data() + stats.size(), value);
    sum += value;
  }
  return sum;
}

}  // namespace mesh::sidecar
