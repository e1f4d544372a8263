#include "wire/client.h"

#include <fmt/format.h>

#include "wire/connection.h"
#include "wire/dial.h"
#include "wire/http1_client.h"
#include "wire/kept_connection.h"
#include "wire/loop_access.h"
#include "wire/text.h"
#include "wire/tls.h"

namespace mesh::wire {

namespace {

constexpr Duration kKeepalive = std::chrono::seconds(30);  // of a connection that waits for its stream

// One request from its URL to its answer. Kept alive by what it waits for.
class Fetch final : public ConnectionOwner, public std::enable_shared_from_this<Fetch> {
 public:
  Fetch(EventLoop& loop, ClientRequest request, const char* protocols, OnKept on_response)
      : strand_(loop.make_strand()),
        request_(std::move(request)),
        protocols_(protocols),
        on_response_(std::move(on_response)),
        where_(fmt::format("{} {}", request_.method, request_.url)) {
    if (!request_.unix_socket.empty()) where_ += " over " + request_.unix_socket;
  }

  void start() {
    auto url = ClientUrl::parse(request_.url);
    if (!url) return finish(std::move(url).error());
    url_ = *std::move(url);
    if (!is_field_name(request_.method)) return finish(invalid("method", "is not usable"));
    if (url_.is_tls) {
      auto tls = TlsContext::for_client(request_.tls);
      if (!tls) return finish(std::move(tls).error());
      tls_ = *std::move(tls);
    }
    timer_ = strand_.after(request_.timeout, [self = weak_from_this()] {
      if (auto fetch = self.lock()) fetch->on_timeout();
    });
    dial_ = Dial::start(strand_, url_, request_.unix_socket, request_.timeout,
                        [self = shared_from_this()](auto connected) { self->on_connected(std::move(connected)); });
  }

  std::unique_ptr<Protocol> make_protocol(Connection& connection, std::string_view alpn) override {
    doing_ = "waiting for the answer";
    auto on_result = [self = shared_from_this()](Result<Response> result) { self->finish(std::move(result)); };
    if (alpn != "h2") return make_http1_client(connection, url_, std::move(request_), std::move(on_result));
    auto session = std::make_unique<GrpcClientSession>(connection, Http2Keepalive{kKeepalive, kKeepalive}, url_,
                                                       std::move(request_), std::move(on_result));
    kept_ = std::make_shared<KeptConnection>(connection, *session);
    session->set_kept(kept_);
    return session;
  }
  void on_handshake_failed(Connection&, const Error& reason) override { finish(reason); }
  void on_closed(Connection&) override { finish(error(ErrorKind::Unavailable, "the connection was closed")); }

  const Strand& strand() const { return strand_; }

 private:
  void on_connected(Result<Dial::Connected> connected) {
    if (!connected) return finish(std::move(connected).error());
    Ssl ssl;
    if (tls_) {
      auto made = tls_->make_client_side(url_.host, protocols_);
      if (made) ssl = *std::move(made);
    }
    doing_ = tls_ ? "in the TLS handshake" : "waiting for the answer";
    auto connection = std::make_shared<Connection>(strand_, connected->fd, std::move(ssl), std::move(connected->peer),
                                                   shared_from_this());
    connection_ = connection;
    connection->start(request_.timeout);
  }

  void on_timeout() {
    auto self = shared_from_this();
    if (auto dial = dial_.lock()) dial->cancel();
    finish(
        error(ErrorKind::Unavailable, fmt::format("timed out after {} while {}", format_duration(timeout_), doing_)));
    if (auto connection = connection_.lock()) {
      connection->post_close(error(ErrorKind::Unavailable, "the request timed out"));
    }
  }

  void finish(Result<Response> result) {
    if (!on_response_) return;
    timer_.cancel();
    auto callback = std::exchange(on_response_, nullptr);
    if (!result) result = with_context(std::move(result).error(), where_);
    auto kept = std::exchange(kept_, nullptr);
    if (!result) kept = nullptr;
    callback(std::move(result), std::move(kept));
  }

  const Strand strand_;
  ClientRequest request_;
  const char* const protocols_;  // what is offered by ALPN
  OnKept on_response_;
  std::shared_ptr<KeptConnection> kept_;
  std::string where_;
  const Duration timeout_ = request_.timeout;
  const char* doing_ = "connecting";
  ClientUrl url_;
  std::shared_ptr<const TlsContext> tls_;
  std::weak_ptr<Dial> dial_;  // it and the connection hold us
  std::weak_ptr<Connection> connection_;
  Timer timer_;
};

}  // namespace

void fetch(EventLoop& loop, ClientRequest request, OnResponse on_response) {
  auto fetch =
      std::make_shared<Fetch>(loop, std::move(request), "http/1.1",
                              [on_response = std::move(on_response)](Result<Response> result, const auto&) mutable {
                                on_response(std::move(result));
                              });
  fetch->strand().post([fetch] { fetch->start(); });
}

void fetch_and_keep(EventLoop& loop, ClientRequest request, OnKept on_response) {
  auto fetch = std::make_shared<Fetch>(loop, std::move(request), "h2,http/1.1", std::move(on_response));
  fetch->strand().post([fetch] { fetch->start(); });
}

Result<Response> fetch_and_wait(ClientRequest request) {
  EventLoop loop(0);
  bool done = false;
  Result<Response> answer = error(ErrorKind::Internal, "no answer");
  fetch(loop, std::move(request), [&](Result<Response> result) {
    answer = std::move(result);
    done = true;
  });
  run_until(loop, done);
  return answer;
}

}  // namespace mesh::wire
