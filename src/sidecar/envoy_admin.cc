#include "sidecar/envoy_admin.h"

#include <algorithm>
#include <charconv>
#include <optional>

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

void EnvoyAdmin::check_ready(std::function<void(std::string, bool)> on_answer) {
  ask("GET", "/ready", [on_answer = std::move(on_answer)](const Result<wire::Response>& response) {
    if (!response) return on_answer("Envoy's admin does not answer yet", false);
    std::string state = response->body;
    while (!state.empty() && (state.back() == '\n' || state.back() == '\r')) state.pop_back();
    if (response->status == 200) return on_answer({}, true);
    on_answer(state == "PRE_INITIALIZING" || state == "INITIALIZING"
                  ? "Envoy has not got its configuration from the control plane yet (" + state + ")"
                  : "Envoy is " + state,
              true);
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
  ask("GET",
      "/stats?filter=%5E(listener%5C..*%5C.(downstream_cx_active%7Chttp%5C..*%5C.downstream_rq_completed)"
      "%7Chttp%5C..*%5C.downstream_rq_active)%24",
      [inbounds, on_answer = std::move(on_answer)](const Result<wire::Response>& response) {
        on_answer(response && response->status == 200 ? sum_active(response->body, inbounds) : -1);
      });
}

namespace {

// What follows the first line that begins with `name`; nothing when no line does.
std::optional<std::string_view> rest_of_line(std::string_view stats, std::string_view name) {
  for (std::size_t at = stats.find(name); at != std::string_view::npos; at = stats.find(name, at + 1)) {
    if (at != 0 && stats[at - 1] != '\n') continue;
    const std::string_view rest = stats.substr(at + name.size());
    return rest.substr(0, rest.find('\n'));
  }
  return std::nullopt;
}

long value_of(std::string_view stats, const std::string& name) {
  long value = 0;
  if (const auto text = rest_of_line(stats, name + ": "))
    std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

}  // namespace

long sum_active(std::string_view stats, const std::vector<SocketAddress>& inbounds) {
  long sum = 0;
  for (const SocketAddress& inbound : inbounds) {
    // Envoy writes 10.0.0.2_8080, and of [::1]:8080 [__1]_8080.
    std::string listener = "listener." + inbound.to_string();
    std::replace(listener.begin(), listener.end(), ':', '_');
    // A listener that speaks HTTP counts its answers under the name of its connection manager, which counts requests.
    const auto http = rest_of_line(stats, listener + ".http.");
    const auto end = http ? http->find(".downstream_rq_completed") : std::string_view::npos;
    sum += end == std::string_view::npos
               ? value_of(stats, listener + ".downstream_cx_active")
               : value_of(stats, "http." + std::string(http->substr(0, end)) + ".downstream_rq_active");
  }
  return sum;
}

}  // namespace mesh::sidecar
