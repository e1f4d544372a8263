#include "sidecar/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/random.h"

namespace mesh::sidecar {
namespace {

constexpr std::size_t kMaxAsked = 128;           // of the other server, at a time
constexpr std::size_t kLongestMessage = 65'535;  // of UDP
constexpr int kQueriesInARow = 64;               // then answers have their turn

// A descriptor that is closed with this object.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }

 private:
  int number_;
};

Descriptor udp_socket() { return Descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

Result<sockaddr_in> address_of(const std::string& ip, std::uint32_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, ip.c_str(), &out.sin_addr) != 1)
    return invalid("address", "\"" + ip + "\" is no IPv4 address");
  return out;
}

Error unavailable(const std::string& what) { return error(ErrorKind::Unavailable, what + ": " + std::strerror(errno)); }

}  // namespace

// Everything that the thread alone touches.
class Resolver::Sockets {
 public:
  Sockets(const ResolverSettings& settings, const Clock& clock) : settings_(settings), clock_(clock) {}

  Result<std::uint32_t> open() {
    MESH_TRY(const sockaddr_in own, address_of(kAddress, settings_.port));
    if (!settings_.upstream.empty()) {
      MESH_TRY(upstream_, address_of(settings_.upstream, settings_.upstream_port));
    }
    const std::string place = std::string(kAddress) + ":" + std::to_string(settings_.port);
    server_ = udp_socket();
    stop_ = Descriptor(::eventfd(0, EFD_CLOEXEC));
    if (server_.number() < 0 || stop_.number() < 0) return unavailable("no socket for " + place);
    if (::bind(server_.number(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) != 0)
      return unavailable("cannot listen at " + place);
    sockaddr_in bound{};
    socklen_t size = sizeof(bound);
    ::getsockname(server_.number(), reinterpret_cast<sockaddr*>(&bound), &size);
    return ntohs(bound.sin_port);
  }

  void stop() const {
    const std::uint64_t one = 1;
    (void)!::write(stop_.number(), &one, sizeof(one));
  }

  // Waits for the next thing and does it. False: it is to end.
  bool step(const Published<MeshNames>& names) {
    std::vector<pollfd> wait = {{stop_.number(), POLLIN, 0}, {server_.number(), POLLIN, 0}};
    for (const Asked& each : asked_) wait.push_back({each.socket.number(), POLLIN, 0});
    if (::poll(wait.data(), wait.size(), pause()) < 0) {
      if (errno == EINTR) return true;
      MESH_LOG_ERROR("sidecar", "the DNS server ends: {}", std::strerror(errno));
      return false;
    }
    if (wait[0].revents != 0) return false;
    // From the back: what is finished is replaced by the last one.
    for (std::size_t i = asked_.size(); i-- > 0;)
      if (wait[i + 2].revents != 0) hand_back(i);
    if (wait[1].revents != 0)
      for (int i = 0; i < kQueriesInARow && take_query(*names.get()); ++i) {
      }
    give_up_on_the_silent();
    return true;
  }

 private:
  // Somebody waits for the other server's answer.
  struct Asked {
    Descriptor socket;
    sockaddr_in client{};
    std::string query;  // as the client sent it
    std::string sent;   // the same under our own id
    SteadyTime until;
  };

  int pause() const {
    if (asked_.empty()) return -1;
    SteadyTime next = asked_.front().until;
    for (const Asked& each : asked_) next = std::min(next, each.until);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - clock_.steady());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
  }

  bool take_query(const MeshNames& names) {
    sockaddr_in client{};
    socklen_t length = sizeof(client);
    const ssize_t size =
        ::recvfrom(server_.number(), buffer_.data(), buffer_.size(), 0, reinterpret_cast<sockaddr*>(&client), &length);
    if (size < 0) return false;
    const std::string_view query(buffer_.data(), static_cast<std::size_t>(size));
    if (const auto answer = answer_query(query, names))
      send(*answer, client);
    else if (settings_.upstream.empty())
      fail(query, DnsFailure::Refused, client);
    else if (read_question(query))
      hand_on(std::string(query), client);
    return true;
  }

  void hand_on(std::string query, const sockaddr_in& client) {
    Asked asked{udp_socket(), client, std::move(query), {}, {}};
    asked.sent = asked.query;
    asked.sent.replace(0, 2, random_bytes(2));
    asked.until = clock_.steady() + settings_.patience;
    const bool is_sent =
        asked_.size() < kMaxAsked && asked.socket.number() >= 0 &&
        ::connect(asked.socket.number(), reinterpret_cast<const sockaddr*>(&upstream_), sizeof(upstream_)) == 0 &&
        ::send(asked.socket.number(), asked.sent.data(), asked.sent.size(), 0) >= 0;
    if (!is_sent) return fail(asked.query, DnsFailure::ServerFailure, client);
    asked_.push_back(std::move(asked));
  }

  void hand_back(std::size_t which) {
    Asked& asked = asked_[which];
    const ssize_t size = ::recv(asked.socket.number(), buffer_.data(), buffer_.size(), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size < 0) {  // there is no such server
      fail(asked.query, DnsFailure::ServerFailure, asked.client);
      return forget(which);
    }
    const std::string_view answer(buffer_.data(), static_cast<std::size_t>(size));
    if (!is_answer_to(answer, asked.sent)) return;
    send(asked.query.substr(0, 2) + std::string(answer.substr(2)), asked.client);
    forget(which);
  }

  void give_up_on_the_silent() {
    const SteadyTime now = clock_.steady();
    for (std::size_t i = asked_.size(); i-- > 0;) {
      if (asked_[i].until > now) continue;
      fail(asked_[i].query, DnsFailure::ServerFailure, asked_[i].client);
      forget(i);
    }
  }

  void forget(std::size_t which) {
    if (which + 1 != asked_.size()) std::swap(asked_[which], asked_.back());
    asked_.pop_back();
  }

  void fail(std::string_view query, DnsFailure failure, const sockaddr_in& client) const {
    if (const auto answer = fail_query(query, failure)) send(*answer, client);
  }

  void send(const std::string& message, const sockaddr_in& client) const {
    (void)::sendto(server_.number(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&client),
                   sizeof(client));
  }

  const ResolverSettings settings_;
  const Clock& clock_;
  sockaddr_in upstream_{};
  Descriptor server_, stop_;
  std::vector<Asked> asked_;
  std::vector<char> buffer_ = std::vector<char>(kLongestMessage);
};

Result<std::unique_ptr<Resolver>> Resolver::listen(const ResolverSettings& settings, const Clock& clock) {
  auto sockets = std::make_unique<Sockets>(settings, clock);
  MESH_TRY(const std::uint32_t port, sockets->open());
  return std::unique_ptr<Resolver>(new Resolver(std::move(sockets), port));
}

Resolver::Resolver(std::unique_ptr<Sockets> sockets, std::uint32_t port)
    : sockets_(std::move(sockets)), port_(port), names_(std::make_shared<const MeshNames>()) {
  thread_ = std::jthread([this] { run(); });
}

Resolver::~Resolver() { sockets_->stop(); }

void Resolver::run() {
  while (sockets_->step(names_)) {
  }
}

}  // namespace mesh::sidecar
