#include "store/postgres_server/postgres_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace mesh::contract {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "the PostgreSQL server for this test: %s\n", why.c_str());
  std::exit(1);
}

// The server refuses to run as root: then it runs as the user that its package made, or as nobody.
const passwd* server_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* user = ::getpwnam("postgres");
  return user != nullptr ? user : ::getpwnam("nobody");
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    give_up("no free port");
  ::close(socket);
  return ntohs(address.sin_port);
}

std::string read_all(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace

PostgresServerProcess::PostgresServerProcess(std::vector<std::string> settings) : settings_(std::move(settings)) {
  std::string pattern = (fs::temp_directory_path() / "mesh-postgres-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) give_up("no folder in " + fs::temp_directory_path().string());
  folder_ = pattern;
  std::ofstream(folder_ / "password") << kPassword << "\n";
  give_to_server(folder_ / "password");
  give_to_server(folder_);
  run({program("initdb"), "-D", folder_ / "data", "-U", kUser, "-A", "scram-sha-256", "--pwfile", folder_ / "password",
       "-E", "UTF8", "--locale=C", "--no-sync"});
  port_ = free_port();
  start();
}

PostgresServerProcess::~PostgresServerProcess() {
  kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

fs::path PostgresServerProcess::program(const std::string& name) const {
  std::error_code ignored;
  fs::path found;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const fs::path candidate = version.path() / "bin" / name;
    if (fs::exists(candidate) && found < candidate) found = candidate;
  }
  if (found.empty())
    give_up("there is no " + name + " in /usr/lib/postgresql/*/bin; install the package \"postgresql\"");
  return found;
}

void PostgresServerProcess::give_to_server(const fs::path& file) const {
  fs::permissions(file, fs::is_directory(file) ? fs::perms::owner_all : fs::perms::owner_read | fs::perms::owner_write);
  if (const passwd* user = server_user(); user != nullptr && ::chown(file.c_str(), user->pw_uid, user->pw_gid) != 0)
    give_up("cannot give away " + file.string());
}

pid_t PostgresServerProcess::spawn(const std::vector<std::string>& command, const fs::path& log) const {
  const passwd* user = server_user();
  const pid_t parent = ::getpid();
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (user != nullptr && (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0))
    ::_exit(1);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // no server outlives its test
  if (::getppid() != parent || ::chdir("/") != 0) ::_exit(1);
  ::execv(arguments[0], arguments.data());
  ::_exit(1);
}

void PostgresServerProcess::run(const std::vector<std::string>& command) const {
  const pid_t child = spawn(command, folder_ / "log");
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0) give_up(command.front() + " failed:\n" + log());
}

void PostgresServerProcess::start(std::vector<std::string> more_settings) {
  std::vector<std::string> command{program("postgres"), "-D", folder_ / "data", "-p", std::to_string(port_)};
  for (const char* setting : {"listen_addresses=127.0.0.1", "fsync=off", "max_wal_size=256MB", "shared_buffers=32MB"})
    command.insert(command.end(), {"-c", setting});
  command.insert(command.end(), {"-c", "unix_socket_directories=" + folder_.string()});
  for (const auto* settings : {&settings_, &more_settings})
    for (const std::string& setting : *settings) command.insert(command.end(), {"-c", setting});
  // After a crash the processes of the last one may need a moment to notice it.
  for (int attempt = 0; attempt < 100; ++attempt) {
    process_ = spawn(command, folder_ / "log");
    for (;;) {
      if (::waitpid(process_, nullptr, WNOHANG) == process_) break;
      if (is_ready()) return;
      ::poll(nullptr, 0, 10);
    }
    ::poll(nullptr, 0, 100);
  }
  give_up("does not start:\n" + log());
}

// The last line of postmaster.pid says so.
bool PostgresServerProcess::is_ready() const {
  const std::string text = read_all(folder_ / "data" / "postmaster.pid");
  return text.starts_with(std::to_string(process_) + "\n") && text.contains("\nready");
}

void PostgresServerProcess::stop() {
  if (process_ <= 0) return;
  ::kill(process_, SIGINT);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

void PostgresServerProcess::kill() {
  if (process_ <= 0) return;
  // Its children would end the statement that they are at. Stopped first, it makes no new ones.
  ::kill(process_, SIGSTOP);
  const std::string process = std::to_string(process_);
  std::istringstream children(read_all("/proc/" + process + "/task/" + process + "/children"));
  for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

std::string PostgresServerProcess::log() const { return read_all(folder_ / "log"); }

}  // namespace mesh::contract
