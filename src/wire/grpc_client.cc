#include <fmt/format.h>

#include "wire/client.h"
#include "wire/connection.h"
#include "wire/dial.h"
#include "wire/grpc_client_session.h"
#include "wire/kept_connection.h"
#include "wire/tls.h"

namespace mesh::wire {

namespace {

constexpr Duration kKeepaliveTimeout = std::chrono::seconds(20);
constexpr std::size_t kMaxMessageBytes = 64UL << 20;

// Connects one stream. Carries it until its session does: what is sent meanwhile waits in the stream.
class GrpcDial final : public ConnectionOwner, public GrpcCarrier, public std::enable_shared_from_this<GrpcDial> {
 public:
  GrpcDial(Strand strand, GrpcClientSettings settings, std::string path, std::shared_ptr<Http2GrpcStream> stream)
      : strand_(std::move(strand)),
        settings_(std::move(settings)),
        path_(std::move(path)),
        stream_(std::move(stream)) {}
  ~GrpcDial() override {
    if (stream_) stream_->abandon();
  }

  void start() {
    if (stream_->is_closed()) return;
    auto url = ClientUrl::parse(settings_.url);
    if (!url) return fail(url.error());
    url_ = *std::move(url);
    if (stream_->finish_status() && stream_->finish_status()->code != 0) return give_up(*stream_->finish_status());
    if (settings_.over && settings_.over->carry(call(), keepalive(), stream_)) {
      stream_ = nullptr;
      return;
    }
    if (url_.is_tls) {
      auto tls = TlsContext::for_client(settings_.tls);
      if (!tls) return fail(tls.error());
      tls_ = *std::move(tls);
    }
    stream_->set_carrier(this);
    timer_ = strand_.after(settings_.connect_timeout, [self = weak_from_this()] {
      if (auto dial = self.lock()) dial->on_timeout();
    });
    dial_ = Dial::start(strand_, url_, "", settings_.connect_timeout,
                        [self = shared_from_this()](auto connected) { self->on_connected(std::move(connected)); });
  }

  std::unique_ptr<Protocol> make_protocol(Connection& connection, std::string_view) override {
    timer_.cancel();
    const auto of_it = call();
    return std::make_unique<GrpcClientSession>(connection, keepalive(), of_it, std::exchange(stream_, nullptr));
  }

  void on_handshake_failed(Connection&, const Error& reason) override { fail(reason); }
  void on_closed(Connection&) override { fail(error(ErrorKind::Unavailable, "the connection was closed")); }

  void on_output(Http2GrpcStream&) override {}
  void on_finish(Http2GrpcStream& stream) override {
    if (stream.finish_status()->code != 0) give_up(*stream.finish_status());
  }

 private:
  GrpcClientSession::Call call() const {
    return {url_.is_tls ? "https" : "http", url_.authority, path_, stream_->headers()};
  }
  Http2Keepalive keepalive() const { return {settings_.keepalive_interval, kKeepaliveTimeout}; }

  void on_connected(Result<Dial::Connected> connected) {
    if (!connected) return fail(connected.error());
    Ssl ssl;
    if (tls_) {
      auto made = tls_->make_client_side(url_.host, "h2");
      if (made) ssl = *std::move(made);
    }
    doing_ = "in the TLS handshake";
    auto connection = std::make_shared<Connection>(strand_, connected->fd, std::move(ssl), std::move(connected->peer),
                                                   shared_from_this());
    connection_ = connection;
    connection->start(settings_.connect_timeout);
  }

  void on_timeout() {
    auto self = shared_from_this();
    fail(error(ErrorKind::Unavailable,
               fmt::format("timed out after {} while {}", format_duration(settings_.connect_timeout), doing_)));
  }

  void fail(const Error& reason) {
    int code = reason.kind == ErrorKind::Denied ? kGrpcUnauthenticated : kGrpcUnavailable;
    give_up({code, with_context(reason, settings_.url).message()});
  }

  void give_up(const GrpcStatus& status) {
    if (!stream_) return;
    timer_.cancel();
    if (auto dial = dial_.lock()) dial->cancel();
    if (auto connection = connection_.lock()) connection->post_close(error(ErrorKind::Unavailable, "given up"));
    std::exchange(stream_, nullptr)->close(status);
  }

  const Strand strand_;
  const GrpcClientSettings settings_;
  const std::string path_;
  std::shared_ptr<Http2GrpcStream> stream_;  // until its session has it
  const char* doing_ = "connecting";
  ClientUrl url_;
  std::shared_ptr<const TlsContext> tls_;
  std::weak_ptr<Dial> dial_;  // it and the connection hold us
  std::weak_ptr<Connection> connection_;
  Timer timer_;
};

}  // namespace

std::shared_ptr<GrpcStream> open_grpc_stream(EventLoop& loop, GrpcClientSettings settings, std::string path,
                                             Headers metadata, std::unique_ptr<GrpcEvents> events) {
  Strand strand = settings.over ? settings.over->strand() : loop.make_strand();
  auto stream = std::make_shared<Http2GrpcStream>(strand, std::move(metadata), kMaxMessageBytes);
  stream->set_events(std::move(events));
  auto dial = std::make_shared<GrpcDial>(strand, std::move(settings), std::move(path), stream);
  strand.post([dial] { dial->start(); });
  return stream;
}

}  // namespace mesh::wire
