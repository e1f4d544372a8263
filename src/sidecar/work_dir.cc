#include "sidecar/work_dir.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/files.h"

namespace mesh::sidecar {

namespace fs = std::filesystem;

namespace {

constexpr mode_t kPassThrough = 0711;
// Envoy's admin socket will be <dir>/kuma-envoy-admin.sock.
constexpr std::size_t kLongestPath = sizeof(sockaddr_un::sun_path) - sizeof("/kuma-envoy-admin.sock");

}  // namespace

Result<WorkDir> WorkDir::open(const std::string& path) {
  if (path.empty()) {
    std::error_code problem;
    std::string name = (fs::temp_directory_path(problem) / "taskmesh-dp-XXXXXX").string();
    if (problem || ::mkdtemp(name.data()) == nullptr) {
      return Error{ErrorKind::Unavailable,
                   "--work-dir",
                   "no temporary directory could be made at " + name + ": " + std::strerror(errno) +
                       "; name a directory that can be written",
                   {}};
    }
    ::chmod(name.c_str(), kPassThrough);
    return WorkDir(std::move(name), true);
  }
  std::error_code problem;
  const fs::path absolute = fs::absolute(path, problem);
  if (!problem) fs::create_directories(absolute, problem);
  if (problem) return Error{ErrorKind::Unavailable, "--work-dir", path + " cannot be made: " + problem.message(), {}};
  if (absolute.string().size() > kLongestPath) {
    return invalid("--work-dir", "is longer than " + std::to_string(kLongestPath) +
                                     " characters, too long for the Unix socket that Envoy opens in it");
  }
  return WorkDir(absolute.string(), false);
}

WorkDir::WorkDir(WorkDir&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}

WorkDir& WorkDir::operator=(WorkDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  return *this;
}

WorkDir::~WorkDir() {
  std::error_code ignored;
  if (temporary_) fs::remove_all(path_, ignored);
}

Result<std::string> WorkDir::write_private(std::string_view name, std::string_view content) const {
  const std::string file = path_ + "/" + std::string(name);
  MESH_RETURN_IF_ERROR(write_file_atomically(file, content, 0600));
  return file;
}

}  // namespace mesh::sidecar
