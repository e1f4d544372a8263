#include "sidecar/access_log_relay.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "base/log.h"
#include "sidecar/access_log_line.h"

namespace mesh::sidecar {

namespace {

constexpr std::size_t kReadSize = 16UL << 10;
constexpr int kReadsPerTurn = 32;
constexpr int kPipeSize = 256 << 10;  // the kernel's; for bursts while we do other things
constexpr int kTurnsOfFlush = 8;      // more than the pipe holds
constexpr std::size_t kLongestPath = 98;

}  // namespace

std::string access_log_path(const std::string& work_dir, const std::string& name, const std::string& mesh) {
  return (work_dir + "/kuma-al-" + name + "-" + mesh).substr(0, kLongestPath) + ".sock";
}

struct AccessLogRelay::State : std::enable_shared_from_this<State> {
  State(wire::Strand strand_in, const Clock& clock_in, std::string path_in, int fd, AccessLogLimits limits_in)
      : strand(std::move(strand_in)),
        clock(clock_in),
        path(std::move(path_in)),
        limits(limits_in),
        pipe(strand, fd),
        lines(limits.max_line) {}
  ~State() { ::unlink(path.c_str()); }

  void wait() {
    pipe.wait_readable([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->on_readable();
    });
  }

  void on_readable() {
    if (read_all()) return wait();
    strand.post([weak = weak_from_this()] {  // others get their turn
      if (const auto self = weak.lock()) self->on_readable();
    });
  }

  // False: there may be more.
  bool read_all() {
    std::array<char, kReadSize> buffer;
    for (int reads = 0; reads < kReadsPerTurn; ++reads) {
      const ssize_t got = ::read(pipe.fd(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return true;
      const std::size_t too_long = lines.too_long();
      lines.feed({buffer.data(), static_cast<std::size_t>(got)}, [this](std::string_view line) { take(line); });
      if (lines.too_long() != too_long) say(fmt::format("a line is longer than {} bytes", limits.max_line));
    }
    return false;
  }

  void take(std::string_view text) {
    auto line = parse_access_log_line(text);
    if (!line) return say(line.error().text);
    auto found = backends.find(line->address);
    if (found == backends.end()) {
      if (!make_room()) return say(fmt::format("there are more than {} servers at once", limits.max_backends));
      auto made = AccessLogBackend::make(strand, clock, line->address, limits);
      if (!made) return say(made.error().text);
      found = backends.emplace(line->address, *std::move(made)).first;
    }
    found->second->send(std::move(line->message));
  }

  // The one that was not used for longest goes, unless they all have something to send.
  bool make_room() {
    if (backends.size() < limits.max_backends) return true;
    auto oldest = backends.end();
    for (auto it = backends.begin(); it != backends.end(); ++it) {
      if (it->second->is_idle() && (oldest == backends.end() || it->second->last_used() < oldest->second->last_used()))
        oldest = it;
    }
    if (oldest == backends.end()) return false;
    backends.erase(oldest);
    return true;
  }

  void say(const std::string& what) {
    ++dropped;
    const SteadyTime now = clock.steady();
    if (said_at != SteadyTime::min() && now < said_at + limits.say_again) return;
    said_at = now;
    MESH_LOG_WARN("sidecar", "access logs: {} ({} lines dropped so far)", what, dropped);
  }

  std::size_t waiting_bytes() const {
    std::size_t bytes = 0;
    for (const auto& [address, backend] : backends) bytes += backend->waiting_bytes();
    return bytes;
  }

  void flush(SteadyTime until, std::function<void()> done) {
    for (int turn = 0; turn < kTurnsOfFlush && !read_all(); ++turn) continue;
    if (waiting_bytes() == 0 || clock.steady() >= until) return done();
    flush_timer =
        strand.after(std::chrono::milliseconds(20), [weak = weak_from_this(), until, done = std::move(done)]() mutable {
          if (const auto self = weak.lock()) self->flush(until, std::move(done));
        });
  }

  const wire::Strand strand;
  const Clock& clock;
  const std::string path;
  const AccessLogLimits limits;
  wire::Descriptor pipe;
  LineCutter lines;
  std::map<std::string, std::shared_ptr<AccessLogBackend>> backends;
  std::size_t dropped = 0;
  SteadyTime said_at = SteadyTime::min();
  wire::Timer flush_timer;
};

Result<std::unique_ptr<AccessLogRelay>> AccessLogRelay::open(const wire::Strand& strand, const Clock& clock,
                                                             const std::string& path, AccessLogLimits limits) {
  const auto failed = [&path](const char* doing) {
    return error(ErrorKind::Unavailable,
                 fmt::format("cannot {} the pipe for access logs {}: {}", doing, path, std::strerror(errno)));
  };
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("replace");
  if (::mkfifo(path.c_str(), 0600) != 0) return failed("make");
  // For writing too, so that it does not end when Envoy closes it, and Envoy's opening never waits for a reader.
  const int fd = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return failed("open");
  ::fcntl(fd, F_SETPIPE_SZ, kPipeSize);
  auto state = std::make_shared<State>(strand, clock, path, fd, limits);
  strand.post([state] { state->wait(); });
  return std::unique_ptr<AccessLogRelay>(new AccessLogRelay(std::move(state)));
}

AccessLogRelay::~AccessLogRelay() = default;

void AccessLogRelay::flush(Duration limit, std::function<void()> done) {
  state_->flush(state_->clock.steady() + limit, std::move(done));
}

std::size_t AccessLogRelay::waiting_bytes() const { return state_->waiting_bytes(); }

}  // namespace mesh::sidecar
