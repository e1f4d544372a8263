#include "wire/file_watch.h"

#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "wire/descriptor.h"

namespace mesh::wire {

namespace {

namespace fs = std::filesystem;

constexpr Duration kSettle = std::chrono::milliseconds(100);  // the same for so long: whoever replaces them is done
constexpr Duration kLookAnyway = std::chrono::minutes(1);
// Not IN_MODIFY: a file is read when its writer has closed it, and a database may live in the same folder.
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

std::string looks_of(const fs::path& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) return "none";
  std::string looks = fmt::format("{}:{}:{}.{}:{} ", found.st_dev, found.st_ino, found.st_mtim.tv_sec,
                                  found.st_mtim.tv_nsec, found.st_size);
  if (!S_ISDIR(found.st_mode)) return looks;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(path, problem)) {
    if (!entry.is_directory(problem)) looks += entry.path().filename().string() + " " + looks_of(entry.path());
  }
  return looks;
}

std::string looks_of(const std::vector<fs::path>& files) {
  std::string looks;
  for (const fs::path& file : files) looks += looks_of(file);
  return looks;
}

// The folders in which something happens when the file is replaced.
std::vector<fs::path> folders_of(const fs::path& file) {
  std::error_code problem;
  std::vector<fs::path> folders{file.has_parent_path() ? file.parent_path() : fs::path(".")};
  if (fs::is_directory(file, problem)) folders.push_back(file);
  if (fs::is_symlink(file, problem)) {
    const fs::path target = fs::canonical(file, problem);
    if (!problem) folders.push_back(target.parent_path());
  }
  return folders;
}

}  // namespace

struct FileWatch::State : std::enable_shared_from_this<State> {
  State(Strand strand_in, std::vector<fs::path> files_in, std::function<void()> on_change_in)
      : strand(std::move(strand_in)), files(std::move(files_in)), on_change(std::move(on_change_in)) {}

  void start() {
    if (const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); fd >= 0) {
      events = Descriptor(strand, fd);
    } else {
      MESH_LOG_WARN("wire", "{} and what belongs to it are looked at every {} only: no file notifications: {}",
                    files.front().string(), format_duration(kLookAnyway), std::generic_category().message(errno));
    }
    look();
  }

  void look() {
    if (events.is_open()) {
      std::array<char, 4096> buffer;
      while (::read(events.fd(), buffer.data(), buffer.size()) > 0) continue;
      // Every time, since links may lead elsewhere now.
      for (const fs::path& file : files) {
        for (const fs::path& folder : folders_of(file)) ::inotify_add_watch(events.fd(), folder.c_str(), kEvents);
      }
    }
    std::string now = looks_of(files);
    if (now != known && now != changing) {
      changing = std::move(now);
      return look_after(kSettle);
    }
    if (now != known) {
      known = std::move(now);
      std::lock_guard lock(mutex);
      if (on_change) on_change();
    }
    changing.clear();
    if (events.is_open() && !std::exchange(is_waiting, true)) {
      events.wait_readable([self = shared_from_this()] {
        self->is_waiting = false;
        self->look_after(kSettle);
      });
    }
    look_after(kLookAnyway);
  }

  void look_after(Duration delay) {
    timer = strand.after(delay, [self = weak_from_this()] {
      if (auto state = self.lock()) state->look();
    });
  }

  const Strand strand;
  const std::vector<fs::path> files;
  std::mutex mutex;
  std::function<void()> on_change;
  std::string known = looks_of(files), changing;
  Descriptor events;
  bool is_waiting = false;
  Timer timer;
};

FileWatch::FileWatch(EventLoop& loop, std::vector<fs::path> files, std::function<void()> on_change)
    : state_(std::make_shared<State>(loop.make_strand(), std::move(files), std::move(on_change))) {}

FileWatch::~FileWatch() {
  {
    std::lock_guard lock(state_->mutex);
    state_->on_change = nullptr;
  }
  state_->strand.post([state = state_] {
    state->timer.cancel();
    state->events.close();
  });
}

void FileWatch::start() {
  state_->strand.post([state = state_] { state->start(); });
}

const std::vector<fs::path>& FileWatch::files() const { return state_->files; }

std::unique_ptr<FileWatch> watch_certificate(EventLoop& loop, std::string port_name, std::vector<fs::path> files,
                                             std::function<Status()> take_over) {
  return std::make_unique<FileWatch>(
      loop, std::move(files), [port_name = std::move(port_name), take_over = std::move(take_over)] {
        if (const Status taken = take_over(); taken) {
          MESH_LOG_INFO("wire", "took over the new certificate of {}", port_name);
        } else {
          MESH_LOG_WARN("wire", "kept the old certificate of {}: {}", port_name, taken.error().message());
        }
      });
}

}  // namespace mesh::wire
