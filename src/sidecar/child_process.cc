#include "sidecar/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

namespace mesh::sidecar {

namespace {

constexpr std::size_t kLongestLine = 64UL << 10;  // a longer one is handed on in parts

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~FileDescriptor() { close(); }
  void close() {
    if (number_ >= 0) ::close(std::exchange(number_, -1));
  }
  int get() const { return number_; }

 private:
  int number_ = -1;
};

struct Pipe {
  FileDescriptor read, write;
};
Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return error(ErrorKind::Unavailable, std::string("no pipe: ") + std::strerror(errno));
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// In the child, between fork and exec: only what may be called there.
[[noreturn]] void become(const char* path, char* const* arguments, int output, int failure, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // the parent died before the line above
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::execv(path, arguments);
  const int reason = errno;
  (void)!::write(failure, &reason, sizeof reason);
  ::_exit(127);
}

std::string exec_problem(int reason) {
  switch (reason) {
    case ENOEXEC: return "is not a program that this machine can run (damaged, or of another architecture)";
    case EACCES: return "may not be executed";
    case ENOENT: return "does not exist, or its interpreter or loader does not";
    default: return std::strerror(reason);
  }
}

// Hands on whole lines.
class LineCutter {
 public:
  template <class OnLine>
  void add(std::string_view bytes, const OnLine& on_line) {
    for (;;) {
      const auto end = bytes.find('\n');
      if (end == std::string_view::npos) break;
      line_.append(bytes.substr(0, end));
      on_line(std::exchange(line_, {}));
      bytes.remove_prefix(end + 1);
    }
    line_.append(bytes);
    if (line_.size() > kLongestLine) on_line(std::exchange(line_, {}));
  }
  template <class OnLine>
  void finish(const OnLine& on_line) {
    if (!line_.empty()) on_line(std::exchange(line_, {}));
  }

 private:
  std::string line_;
};

// A thread waits for lines and for the program's end, and posts both to the strand.
class ForkedProcess final : public Process {
 public:
  ForkedProcess(pid_t pid, FileDescriptor output, FileDescriptor wake, wire::Strand strand, ProcessEvents events)
      : pid_(pid),
        output_(std::move(output)),
        wake_(std::move(wake)),
        pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        strand_(std::move(strand)),
        events_(std::make_shared<ProcessEvents>(std::move(events))),
        watcher_([this] { watch(); }) {}

  ~ForkedProcess() override {
    shared_->alive = false;
    send_signal(SIGKILL);
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }

  int pid() const override { return pid_; }
  void send_signal(int number) override {
    if (!shared_->reaped) ::kill(pid_, number);
  }

 private:
  struct Shared {  // used on the strand only
    bool alive = true;
    bool reaped = false;  // from then on the number may be somebody else's
  };

  void watch() {
    read_lines();
    // Left a zombie here, and reaped on the strand, so that send_signal() never meets a number that was given away.
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    ProcessEnd end;
    if (info.si_code == CLD_EXITED) {
      end.exit_code = info.si_status;
    } else {
      end.signal = info.si_status;
    }
    strand_.post([pid = pid_, end, events = events_, shared = shared_] {
      ::waitpid(pid, nullptr, 0);
      shared->reaped = true;
      if (shared->alive) events->on_ended(end);
    });
  }

  void read_lines() {
    LineCutter cutter;
    const auto hand_on = [this](std::string line) {
      strand_.post([line = std::move(line), events = events_, shared = shared_]() mutable {
        if (shared->alive && events->on_line) events->on_line(std::move(line));
      });
    };
    std::array<char, 8192> buffer;
    for (;;) {
      // The end of the program ends the reading too: a child of its own may keep the pipe open.
      std::array<pollfd, 3> waiting = {pollfd{output_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0},
                                       pollfd{pidfd_.get(), POLLIN, 0}};
      if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) break;
      if (waiting[1].revents != 0) break;
      const bool ended = waiting[2].revents != 0;
      if (waiting[0].revents == 0 && ended) break;
      const auto got = ::read(output_.get(), buffer.data(), buffer.size());
      if (got < 0 && (errno == EINTR || (errno == EAGAIN && !ended))) continue;
      if (got <= 0) break;
      cutter.add(std::string_view(buffer.data(), static_cast<std::size_t>(got)), hand_on);
    }
    cutter.finish(hand_on);
  }

  pid_t pid_;
  FileDescriptor output_, wake_, pidfd_;
  wire::Strand strand_;
  std::shared_ptr<ProcessEvents> events_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  std::jthread watcher_;  // the last member: joined first
};

class ForkingRunner final : public ProcessRunner {
 public:
  Result<std::unique_ptr<Process>> start(const std::string& path, const std::vector<std::string>& arguments,
                                         const wire::Strand& strand, ProcessEvents events) override {
    MESH_TRY(Pipe output, make_pipe());
    MESH_TRY(Pipe failure, make_pipe());
    FileDescriptor wake(::eventfd(0, EFD_CLOEXEC));

    std::vector<char*> raw{const_cast<char*>(path.c_str())};
    for (const std::string& argument : arguments) raw.push_back(const_cast<char*>(argument.c_str()));
    raw.push_back(nullptr);

    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return error(ErrorKind::Unavailable, path + " was not started: " + std::strerror(errno));
    if (pid == 0) become(path.c_str(), raw.data(), output.write.get(), failure.write.get(), parent);

    output.write.close();
    failure.write.close();
    ::fcntl(output.read.get(), F_SETFL, O_NONBLOCK);
    int reason = 0;
    ssize_t got = 0;
    do {
      got = ::read(failure.read.get(), &reason, sizeof reason);
    } while (got < 0 && errno == EINTR);
    if (got == static_cast<ssize_t>(sizeof reason)) {
      ::waitpid(pid, nullptr, 0);
      return error(ErrorKind::Invalid, path + " was not started: it " + exec_problem(reason));
    }
    return std::unique_ptr<Process>(
        std::make_unique<ForkedProcess>(pid, std::move(output.read), std::move(wake), strand, std::move(events)));
  }
};

}  // namespace

std::unique_ptr<ProcessRunner> make_process_runner() { return std::make_unique<ForkingRunner>(); }

}  // namespace mesh::sidecar
