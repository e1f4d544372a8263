#include "wire/grpc_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "wire/connection.h"
#include "wire/dial.h"
#include "wire/grpc_client_session.h"
#include "wire/kept_connection.h"
#include "wire/tls.h"

namespace mesh::wire {

namespace {

constexpr Duration kKeepaliveTimeout = std::chrono::seconds(20);
constexpr std::size_t kMaxMessageBytes = 64UL << 20;

GrpcClientSession::Call call_of(const ClientUrl& url, const std::string& path, const Http2GrpcStream& stream) {
  return {url.is_tls ? "https" : "http", url.authority, path, stream.headers()};
}

Http2Keepalive keepalive_of(const GrpcClientSettings& settings) {
  return {settings.keepalive_interval, kKeepaliveTimeout};
}

}  // namespace

// One connect. Carries the streams that wait for it until its session does: what is sent meanwhile waits in them.
class GrpcDial final : public ConnectionOwner, public GrpcCarrier, public std::enable_shared_from_this<GrpcDial> {
 public:
  GrpcDial(Strand strand, std::shared_ptr<const GrpcClientSettings> settings, ClientUrl url,
           std::weak_ptr<GrpcChannel> channel)
      : strand_(std::move(strand)),
        settings_(std::move(settings)),
        url_(std::move(url)),
        channel_(std::move(channel)) {}
  ~GrpcDial() override {
    for (const auto& [path, stream] : waiting_) stream->abandon();
  }

  void start() {
    if (url_.is_tls) {
      auto tls = TlsContext::for_client(settings_->tls);
      if (!tls) return fail(tls.error());
      tls_ = *std::move(tls);
    }
    timer_ = strand_.after(settings_->connect_timeout, [self = weak_from_this()] {
      if (auto dial = self.lock()) dial->on_timeout();
    });
    dial_ = Dial::start(strand_, url_, settings_->unix_socket, settings_->connect_timeout,
                        [self = shared_from_this()](auto connected) { self->on_connected(std::move(connected)); });
  }

  bool is_over() const { return is_over_; }
  void add(const std::string& path, const std::shared_ptr<Http2GrpcStream>& stream) {
    stream->set_carrier(this);
    waiting_.emplace_back(path, stream);
  }

  std::unique_ptr<Protocol> make_protocol(Connection& connection, std::string_view) override {
    timer_.cancel();
    is_over_ = true;
    auto session = std::make_unique<GrpcClientSession>(connection, keepalive_of(*settings_));
    auto kept = std::make_shared<KeptConnection>(connection, *session);
    session->set_kept(kept);
    for (const auto& [path, stream] : std::exchange(waiting_, {}))
      session->open(call_of(url_, path, *stream), keepalive_of(*settings_), stream);
    if (const auto channel = channel_.lock()) channel->kept_ = std::move(kept);
    return session;
  }

  void on_handshake_failed(Connection&, const Error& reason) override { fail(reason); }
  void on_closed(Connection&) override { fail(error(ErrorKind::Unavailable, "the connection was closed")); }

  void on_output(Http2GrpcStream&) override {}
  void on_finish(Http2GrpcStream& stream) override {
    if (stream.finish_status()->code == 0) return;
    const auto self = shared_from_this();
    const auto found =
        std::find_if(waiting_.begin(), waiting_.end(), [&](const auto& one) { return one.second.get() == &stream; });
    const auto gone = found->second;
    waiting_.erase(found);
    gone->close(*gone->finish_status());
    if (waiting_.empty()) give_up({});
  }

 private:
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
    connection->start(settings_->connect_timeout);
  }

  void on_timeout() {
    auto self = shared_from_this();
    fail(error(ErrorKind::Unavailable,
               fmt::format("timed out after {} while {}", format_duration(settings_->connect_timeout), doing_)));
  }

  void fail(const Error& reason) {
    int code = reason.kind == ErrorKind::Denied ? kGrpcUnauthenticated : kGrpcUnavailable;
    give_up({code, with_context(reason, settings_->url).message()});
  }

  void give_up(const GrpcStatus& status) {
    if (std::exchange(is_over_, true)) return;
    timer_.cancel();
    if (auto dial = dial_.lock()) dial->cancel();
    if (auto connection = connection_.lock()) connection->post_close(error(ErrorKind::Unavailable, "given up"));
    for (const auto& [path, stream] : std::exchange(waiting_, {})) stream->close(status);
  }

  const Strand strand_;
  const std::shared_ptr<const GrpcClientSettings> settings_;
  const ClientUrl url_;
  const std::weak_ptr<GrpcChannel> channel_;  // may be gone: then the connection is for those that wait
  std::vector<std::pair<std::string, std::shared_ptr<Http2GrpcStream>>> waiting_;  // with their paths
  const char* doing_ = "connecting";
  bool is_over_ = false;  // connected, or failed
  std::shared_ptr<const TlsContext> tls_;
  std::weak_ptr<Dial> dial_;  // it and the connection hold us
  std::weak_ptr<Connection> connection_;
  Timer timer_;
};

std::shared_ptr<GrpcChannel> GrpcChannel::make(EventLoop& loop, GrpcClientSettings settings) {
  return std::shared_ptr<GrpcChannel>(new GrpcChannel(loop, std::move(settings)));
}

GrpcChannel::GrpcChannel(EventLoop& loop, GrpcClientSettings settings)
    : kept_(std::exchange(settings.over, nullptr)),
      strand_(kept_ ? kept_->strand() : loop.make_strand()),
      settings_(std::make_shared<const GrpcClientSettings>(std::move(settings))),
      url_(ClientUrl::parse(settings_->url)) {}

GrpcChannel::~GrpcChannel() = default;

std::shared_ptr<GrpcStream> GrpcChannel::open(std::string path, Headers metadata, std::unique_ptr<GrpcEvents> events) {
  auto stream = std::make_shared<Http2GrpcStream>(strand_, std::move(metadata), kMaxMessageBytes);
  stream->set_events(std::move(events));
  strand_.post([self = shared_from_this(), path = std::move(path), stream] { self->start(path, stream); });
  return stream;
}

void GrpcChannel::start(const std::string& path, const std::shared_ptr<Http2GrpcStream>& stream) {
  if (stream->is_closed()) return;
  if (!url_) return stream->close({kGrpcUnavailable, with_context(url_.error(), settings_->url).message()});
  if (stream->finish_status() && stream->finish_status()->code != 0) return stream->close(*stream->finish_status());
  if (kept_ && kept_->carry(call_of(*url_, path, *stream), keepalive_of(*settings_), stream)) return;
  kept_ = nullptr;
  auto dial = dial_.lock();
  const bool is_new = !dial || dial->is_over();
  if (is_new) dial_ = dial = std::make_shared<GrpcDial>(strand_, settings_, *url_, weak_from_this());
  dial->add(path, stream);
  if (is_new) dial->start();
}

std::shared_ptr<GrpcStream> open_grpc_stream(EventLoop& loop, GrpcClientSettings settings, std::string path,
                                             Headers metadata, std::unique_ptr<GrpcEvents> events) {
  return GrpcChannel::make(loop, std::move(settings))->open(std::move(path), std::move(metadata), std::move(events));
}

}  // namespace mesh::wire
