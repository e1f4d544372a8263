#include "sidecar/bootstrap_client.h"

#include <algorithm>
#include <random>

#include "base/log.h"

namespace mesh::sidecar {

Backoff::Backoff(Duration first, Duration longest)
    : first_(std::min(first, longest)), longest_(longest), next_(first_) {}

Duration Backoff::next() {
  static thread_local std::minstd_rand random{std::random_device{}()};  // spreading, not secrecy
  const Duration pause = next_ - next_ / 1000 * std::uniform_int_distribution<int>(0, 250)(random);
  next_ = std::min(next_ * 2, longest_);
  return pause;
}

struct BootstrapClient::State : std::enable_shared_from_this<State> {
  State(wire::EventLoop& loop_in, wire::Strand strand_in, Clock& clock_in, const Settings& settings,
        wire::TlsClientSettings tls_in)
      : loop(loop_in),
        strand(std::move(strand_in)),
        clock(clock_in),
        cp_address(settings.cp_address),
        refusals_may_pass(settings.auth_type == "aws"),
        tls(std::move(tls_in)),
        backoff(std::chrono::milliseconds(250), settings.retry_backoff),
        give_up_at(clock.steady() + settings.retry_max_duration) {}

  void ask() {
    auto body = make_body();
    if (!body) return finish(std::move(body).error());
    wire::ClientRequest request;
    request.method = "POST";
    request.url = cp_address + "/bootstrap";
    request.body = std::move(*body);
    request.tls = tls;
    request.headers.add("accept", "application/json");
    request.headers.add("content-type", "application/json");
    wire::fetch_and_keep(loop, std::move(request), [self = shared_from_this()](auto response, auto connection) {
      self->strand.post([self, response = std::move(response), connection = std::move(connection)]() mutable {
        self->on_response(std::move(response), std::move(connection));
      });
    });
  }

  void on_response(Result<wire::Response> response, std::shared_ptr<wire::KeptConnection> connection) {
    if (!on_done) return;
    if (response && response->status == 200) {
      auto bootstrap = parse_bootstrap_answer(response->body, discovery_socket);
      if (bootstrap) {
        bootstrap->needs_no_version = response->headers.find(kNeedsNoVersion).has_value();
        bootstrap->connection = std::move(connection);
        return finish(std::move(bootstrap));
      }
      return try_again(std::move(bootstrap).error());
    }
    if (!response) return try_again(std::move(response).error());
    Error refusal = explain_bootstrap_refusal(response->status, response->body, cp_address);
    const bool is_final =
        refusal.kind == ErrorKind::Invalid || (refusal.kind == ErrorKind::Denied && !refusals_may_pass);
    if (is_final) return finish(std::move(refusal));
    try_again(std::move(refusal));
  }

  void try_again(Error problem) {
    const Duration pause = backoff.next();
    if (clock.steady() + pause > give_up_at) return finish(std::move(problem));
    const std::string said = problem.message();
    if (said != last_said) MESH_LOG_INFO("sidecar", "waiting for the control plane at {}: {}", cp_address, said);
    last_said = said;
    timer = strand.after(pause, [weak = weak_from_this()] {
      if (auto self = weak.lock(); self && self->on_done) self->ask();
    });
  }

  void finish(Result<Bootstrap> result) {
    if (auto done = std::exchange(on_done, {})) done(std::move(result));
  }

  wire::EventLoop& loop;
  wire::Strand strand;
  Clock& clock;
  std::string cp_address;
  bool refusals_may_pass;  // the tags of a role may be put right, and IAM takes a while to tell
  wire::TlsClientSettings tls;
  Backoff backoff;
  SteadyTime give_up_at;
  std::function<Result<std::string>()> make_body;
  std::string discovery_socket;
  OnDone on_done;
  wire::Timer timer;
  std::string last_said;
};

BootstrapClient::BootstrapClient(wire::EventLoop& loop, wire::Strand strand, Clock& clock, const Settings& settings,
                                 wire::TlsClientSettings tls)
    : state_(std::make_shared<State>(loop, std::move(strand), clock, settings, std::move(tls))) {
  while (state_->cp_address.ends_with('/')) state_->cp_address.pop_back();
}

BootstrapClient::~BootstrapClient() { state_->on_done = nullptr; }

void BootstrapClient::start(std::function<Result<std::string>()> make_body, std::string discovery_socket,
                            OnDone on_done) {
  state_->make_body = std::move(make_body);
  state_->discovery_socket = std::move(discovery_socket);
  state_->on_done = std::move(on_done);
  state_->ask();
}

}  // namespace mesh::sidecar
