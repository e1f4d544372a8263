#include "wire/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <unordered_map>

#include "base/log.h"
#include "base/random.h"
#include "wire/address.h"
#include "wire/connection.h"
#include "wire/connection_list.h"
#include "wire/loop_access.h"
#include "wire/server_protocol.h"
#include "wire/service.h"
#include "wire/tls.h"

namespace mesh::wire {

namespace {

constexpr int kAcceptsPerTurn = 16;  // few: handshakes that run must not fall behind those that begin
constexpr Duration kErrorPause = std::chrono::milliseconds(100), kFullPause = std::chrono::milliseconds(10);
constexpr auto kWarnPause = std::chrono::seconds(10);

// A tenth more or less, so that who came together does not leave together.
Duration with_jitter(Duration age) {
  const auto random = static_cast<unsigned char>(random_bytes(1).front());
  return age + age * (random - 128) / 1280;
}

// Accepts, and owns the connections. Lives until the last of them has ended.
class Listener final : public ConnectionOwner, public std::enable_shared_from_this<Listener> {
 public:
  Listener(EventLoop& loop, ServerSettings settings, std::shared_ptr<const Service> service,
           std::shared_ptr<const TlsContext> tls)
      : loop_(loop),
        settings_(std::move(settings)),
        service_(std::move(service)),
        tls_(std::move(tls)),
        strand_(loop.make_strand()),
        connections_(settings_.limits.max_connections, settings_.limits.max_handshaking,
                     settings_.limits.handshake_timeout) {}

  Status listen() {
    auto fd = settings_.unix_socket.empty() ? listen_on(settings_.address, settings_.port)
                                            : listen_on_unix(settings_.unix_socket);
    if (!fd) return with_context(std::move(fd).error(), fmt::format("starting the {} server", settings_.name));
    port_ = SocketAddress::local_of(*fd).port();
    connections_.open_door();
    strand_.post([self = shared_from_this(), fd = *fd] {
      self->socket_ = Descriptor(self->strand_, fd);
      self->accept_when_ready();
    });
    return {};
  }

  int port() const { return port_; }
  bool is_tls() const { return tls_.get() != nullptr; }
  void replace_tls(std::shared_ptr<const TlsContext> tls) { tls_.set(std::move(tls)); }
  std::size_t connection_count() const { return connections_.size(); }
  EventLoop& loop() { return loop_; }

  void drain(Duration grace) {
    strand_.post([self = shared_from_this(), grace] {
      self->stop_accepting();
      self->connections_.close_door();
      for (const auto& connection : self->connections_.all()) connection->post_drain();
      self->grace_timer_ = self->strand_.after(grace, [self] { self->close_all(); });
    });
  }

  void close() {
    if (!settings_.unix_socket.empty()) ::unlink(settings_.unix_socket.c_str());
    connections_.close_door();
    strand_.post([self = shared_from_this()] {
      self->stop_accepting();
      self->grace_timer_.cancel();
      self->pause_timer_.cancel();
    });
    close_all();
  }

  void wait_until_gone() {
    connections_.wait_until_gone(stop_token_of(loop_));
    connections_.forget();  // if the loop was stopped, nobody else will
  }

  std::unique_ptr<Protocol> make_protocol(Connection& connection, std::string_view alpn) override {
    return make_server_protocol(connection, connection.weak_from_this(), service_, alpn);
  }
  void on_handshake_failed(Connection&, const Error&) override {}
  void on_first_bytes(Connection& connection) override { connections_.on_first_bytes(connection); }
  void on_first_request(Connection& connection) override { connections_.on_first_request(connection); }
  void on_closed(Connection& connection) override { connections_.remove(connection); }

 private:
  void close_all() {
    for (const auto& connection : connections_.all()) {
      connection->post_close(error(ErrorKind::Unavailable, "the server was stopped"));
    }
  }

  void stop_accepting() {
    socket_.close();
    connections_.remove_door();
  }

  void accept_when_ready() {
    socket_.wait_readable([self = shared_from_this()] { self->accept(); });
  }

  void accept() {
    for (int i = 0; i < kAcceptsPerTurn && socket_.is_open(); ++i) {
      auto room = connections_.make_room(real_clock().steady());
      if (room.leaving) room.leaving->post_close(error(ErrorKind::Unavailable, "others need the room"));
      if (!room.is_free) return accept_after(kFullPause);
      int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        serve(fd);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        return pause(errno);
      }
    }
    if (socket_.is_open()) accept_when_ready();
  }

  void accept_after(Duration pause) {
    pause_timer_ = strand_.after(pause, [self = shared_from_this()] {
      if (self->socket_.is_open()) self->accept();
    });
  }

  // Out of descriptors or memory: make room, and try again a little later instead of spinning.
  void pause(int number) {
    const SteadyTime now = real_clock().steady();
    if (now >= warn_again_at_) {
      MESH_LOG_WARN("wire", "the {} server cannot accept connections at the moment: {}", settings_.name,
                    std::generic_category().message(number));
      warn_again_at_ = now + kWarnPause;
    }
    bool is_making_room = false;
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      auto oldest = connections_.take_oldest_newcomer();
      if (!oldest) break;
      oldest->post_close(error(ErrorKind::Unavailable, "the server is out of resources"));
      is_making_room = true;
    }
    accept_after(is_making_room ? kFullPause : kErrorPause);
  }

  void serve(int fd) {
    if (settings_.unix_socket.empty()) set_no_delay(fd);
    SocketAddress remote = SocketAddress::remote_of(fd), local = SocketAddress::local_of(fd);
    Peer peer{.address = remote.ip(),
              .port = remote.port(),
              .local_address = local.ip(),
              .local_port = local.port(),
              .is_loopback = remote.is_loopback(),
              .is_tls = false,
              .client_certificate_pem = {}};
    Ssl ssl;
    if (auto tls = tls_.get()) {
      ssl = tls->make_server_side();
      if (!ssl) {
        ::close(fd);
        return;
      }
    }
    auto connection =
        std::make_shared<Connection>(loop_.make_strand(), fd, std::move(ssl), std::move(peer), shared_from_this());
    if (connections_.add(connection, real_clock().steady())) {
      connection->start(settings_.limits.handshake_timeout);
      if (settings_.limits.max_connection_age > Duration::zero())
        connection->limit_age(with_jitter(settings_.limits.max_connection_age));
    } else {
      connection->post_close(error(ErrorKind::Unavailable, "the server was stopped"));
    }
  }

  EventLoop& loop_;
  const ServerSettings settings_;
  const std::shared_ptr<const Service> service_;
  Published<TlsContext> tls_;  // empty: plain
  const Strand strand_;
  ConnectionList connections_;
  Descriptor socket_;
  Timer grace_timer_, pause_timer_;
  SteadyTime warn_again_at_{};
  int port_ = 0;
};

class ListeningServer final : public Server {
 public:
  explicit ListeningServer(std::shared_ptr<Listener> listener) : listener_(std::move(listener)) {}

  // Handlers often point at what is destroyed after the server: none may run any more when this returns.
  ~ListeningServer() override {
    listener_->close();
    if (!runs_on(listener_->loop())) listener_->wait_until_gone();
  }

  int port() const override { return listener_->port(); }
  void drain(Duration grace) override { listener_->drain(grace); }
  std::size_t connection_count() const override { return listener_->connection_count(); }

  Status replace_tls(TlsServerSettings tls) override {
    if (!listener_->is_tls()) return error(ErrorKind::Internal, "this server does not speak TLS");
    MESH_TRY(auto context, TlsContext::for_server(tls));
    listener_->replace_tls(std::move(context));
    return {};
  }

 private:
  std::shared_ptr<Listener> listener_;
};

Result<std::unique_ptr<Server>> start(EventLoop& loop, ServerSettings settings, std::shared_ptr<const TlsContext> tls,
                                      Handler http, GrpcServices grpc) {
  auto service = std::make_shared<const Service>(
      Service{.http = std::move(http), .grpc = std::move(grpc), .limits = settings.limits});
  auto listener = std::make_shared<Listener>(loop, std::move(settings), std::move(service), std::move(tls));
  MESH_RETURN_IF_ERROR(listener->listen());
  return std::unique_ptr<Server>(std::make_unique<ListeningServer>(std::move(listener)));
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(EventLoop& loop, ServerSettings settings, Handler http,
                                               GrpcServices grpc) {
  return start(loop, std::move(settings), nullptr, std::move(http), std::move(grpc));
}

Result<std::unique_ptr<Server>> Server::listen_tls(EventLoop& loop, ServerSettings settings, TlsServerSettings tls,
                                                   Handler http, GrpcServices grpc) {
  auto context = TlsContext::for_server(tls);
  if (!context) return with_context(std::move(context).error(), fmt::format("starting the {} server", settings.name));
  return start(loop, std::move(settings), *std::move(context), std::move(http), std::move(grpc));
}

}  // namespace mesh::wire
