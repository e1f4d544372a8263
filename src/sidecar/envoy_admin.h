// Envoy's admin interface, as far as the sidecar uses it. Answers come on the strand.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/bootstrap.h"
#include "wire/client.h"
#include "wire/event_loop.h"

namespace mesh::sidecar {

class EnvoyAdmin {
 public:
  EnvoyAdmin(wire::EventLoop& loop, wire::Strand strand, const Bootstrap& bootstrap);

  // Empty: LIVE; else what it is ("Envoy is DRAINING", "Envoy's admin does not answer yet").
  void check_ready(std::function<void(std::string problem, bool answered)> on_answer);
  void fail_health_checks();
  void drain_listeners();
  // What is still active on these listeners; -1 when Envoy does not say.
  void count_active(const std::vector<SocketAddress>& inbounds, std::function<void(long)> on_answer);

 private:
  void ask(std::string method, std::string path, std::function<void(Result<wire::Response>)> on_answer);

  wire::EventLoop& loop_;
  wire::Strand strand_;
  std::string base_url_;
  std::string socket_;
};

// Sums what runs on these listeners in the text of /stats: requests where they speak HTTP (a client that keeps an idle
// connection open holds nobody up), connections elsewhere.
long sum_active(std::string_view stats, const std::vector<SocketAddress>& inbounds);

}  // namespace mesh::sidecar
