// taskmesh-dp: runs Envoy beside an application, as a proxy of the mesh.
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "dp/arguments.h"
#include "dp/wait.h"
#include "sidecar/child_process.h"
#include "sidecar/sidecar.h"
#include "wire/event_loop.h"

namespace mesh {
namespace {

std::optional<std::string> variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string own_program() {
  std::array<char, 4096> path{};
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
  return length > 0 ? std::string(path.data(), static_cast<std::size_t>(length)) : std::string();
}

aws::Environment aws_environment() {
  std::map<std::string, std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equal = text.find('=');
    const auto name = text.substr(0, equal);
    if (equal == std::string_view::npos || !(name == "HOME" || name.starts_with("AWS_") || name.starts_with("ECS_")))
      continue;
    out[std::string(name)] = std::string(text.substr(equal + 1));
  }
  return out;
}

int fail(const Error& problem) {
  std::fprintf(stderr, "taskmesh-dp: %s\n", problem.message().c_str());
  return 1;
}

int run(Invocation invocation) {
  if (const Status set = log::set_up(invocation.log); !set) return fail(with_context(set.error(), "--log-output-path"));
  for (const std::string& remark : invocation.remarks) MESH_LOG_WARN("sidecar", "{}", remark);
  MESH_LOG_INFO("sidecar", "{} sidecar {}", kProduct, kVersion);

  wire::EventLoop loop(1);
  const auto processes = sidecar::make_process_runner();
  std::atomic<int> exit_code = 0;
  sidecar::Sidecar sidecar({.loop = loop,
                            .clock = real_clock(),
                            .processes = *processes,
                            .search_path = variable("PATH").value_or("/usr/local/bin:/usr/bin:/bin"),
                            .own_program = own_program(),
                            .environment = aws_environment()},
                           std::move(invocation.settings), [&](int code) {
                             exit_code = code;
                             loop.stop();
                           });
  loop.on_signals({SIGTERM, SIGINT, SIGUSR2}, [&](int number) { sidecar.on_signal(number); });
  if (auto started = sidecar.start(); !started) {
    MESH_LOG_ERROR("sidecar", "{}", started.error().message());
    return 1;
  }
  loop.wait();
  return exit_code;
}

int main_with(int count, char** values) {
  auto invocation = parse_arguments({values + 1, values + count}, variable);
  if (!invocation) return fail(invocation.error());
  switch (invocation->command) {
    case Invocation::Command::Print: std::fputs(invocation->text.c_str(), stdout); return 0;
    case Invocation::Command::Run: return run(std::move(*invocation));
    case Invocation::Command::Wait: {
      const auto waited = wait_until_ready(invocation->wait);
      return waited ? 0 : fail(waited.error());
    }
  }
  return 1;
}

}  // namespace
}  // namespace mesh

int main(int count, char** values) { return mesh::main_with(count, values); }
