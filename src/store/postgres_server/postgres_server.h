// A PostgreSQL server for tests, made in a folder of its own and gone with the test program. Nothing is skipped when
// there is none: the test fails and says what to install.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mesh::contract {

class PostgresServerProcess {
 public:
  static constexpr const char* kUser = "mesh";
  static constexpr const char* kPassword = "the-password-of-the-test";

  // `settings` in the form of "max_connections=20".
  explicit PostgresServerProcess(std::vector<std::string> settings = {});
  ~PostgresServerProcess();
  PostgresServerProcess(const PostgresServerProcess&) = delete;
  PostgresServerProcess& operator=(const PostgresServerProcess&) = delete;

  int port() const { return port_; }                               // on 127.0.0.1
  const std::filesystem::path& folder() const { return folder_; }  // the server's user may read what is put here
  void give_to_server(const std::filesystem::path& file) const;    // makes the server's user its only reader

  void start(std::vector<std::string> more_settings = {});
  void stop();
  void kill();  // like a crash of the machine, as far as its disk allows

 private:
  std::filesystem::path program(const std::string& name) const;
  pid_t spawn(const std::vector<std::string>& command, const std::filesystem::path& log) const;
  void run(const std::vector<std::string>& command) const;
  bool is_ready() const;
  std::string log() const;

  std::filesystem::path folder_;
  std::vector<std::string> settings_;
  int port_ = 0;
  pid_t process_ = -1;
};

}  // namespace mesh::contract
