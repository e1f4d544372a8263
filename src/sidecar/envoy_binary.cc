#include "sidecar/envoy_binary.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "sidecar/envoy_log.h"

namespace mesh::sidecar {

namespace {

bool is_file(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

constexpr std::string_view kSetting = "set --binary-path or KUMA_DATAPLANE_RUNTIME_BINARY_PATH";

std::optional<std::string> machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_X86_64: return "x86_64";
    case EM_AARCH64: return "aarch64";
    case EM_386: return "i386";
    case EM_ARM: return "arm";
    default: return std::nullopt;
  }
}

// The machine number in an ELF header; nothing when `path` is something else (a script, for instance).
std::optional<std::uint16_t> machine_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  unsigned char head[20] = {};
  if (!file.read(reinterpret_cast<char*>(head), sizeof head)) return std::nullopt;
  if (std::memcmp(head, ELFMAG, SELFMAG) != 0) return std::nullopt;
  return static_cast<std::uint16_t>(head[18] | head[19] << 8);  // e_machine, little endian on all that we run on
}

}  // namespace

Result<std::string> find_envoy(const std::string& configured, std::string_view search_path,
                               const std::string& own_program) {
  std::vector<std::string> places;
  if (configured.find('/') != std::string::npos) {
    places.push_back(configured);
  } else {
    while (!search_path.empty()) {
      const auto end = std::min(search_path.find(':'), search_path.size());
      if (end > 0) places.push_back(std::string(search_path.substr(0, end)) + "/" + configured);
      search_path.remove_prefix(std::min(end + 1, search_path.size()));
    }
    places.push_back("./envoy");
    places.push_back((std::filesystem::path(own_program).parent_path() / "envoy").string());
  }
  for (const std::string& place : places) {
    if (is_file(place)) return place;
  }
  std::string looked_at;
  for (const std::string& place : places) looked_at += (looked_at.empty() ? "" : ", ") + place;
  return Error{ErrorKind::NotFound,
               "--binary-path",
               "Envoy was not found; looked at " + looked_at + "; " + std::string(kSetting),
               {}};
}

Status check_program(const std::string& path) {
  if (!is_file(path))
    return Error{ErrorKind::NotFound, "--binary-path", "there is no file " + path + "; " + std::string(kSetting), {}};
  if (::access(path.c_str(), X_OK) != 0) {
    return invalid("--binary-path", path + " may not be executed (" + std::strerror(errno) +
                                        "); make it executable, or " + std::string(kSetting));
  }
  const auto machine = machine_of(path);
  const auto own_machine = machine_of("/proc/self/exe");
  if (machine && own_machine && *machine != *own_machine) {
    const auto name = [](std::uint16_t number) {
      return machine_name(number).value_or("another architecture (ELF machine " + std::to_string(number) + ")");
    };
    return invalid("--binary-path", path + " is a program for " + name(*machine) + ", this machine is " +
                                        name(*own_machine) + "; " + std::string(kSetting));
  }
  return {};
}

Result<EnvoyVersion> parse_envoy_version(std::string_view output) {
  // "<path>  version: <commit>/<version>/<status>/<type>/<tls library>"
  constexpr std::string_view kMark = "version:";
  const auto mark = output.find(kMark);
  if (mark != std::string_view::npos) {
    std::string_view build = output.substr(mark + kMark.size());
    build = build.substr(0, build.find_first_of("\r\n"));
    while (!build.empty() && build.front() == ' ') build.remove_prefix(1);
    while (!build.empty() && build.back() == ' ') build.remove_suffix(1);
    const auto first = build.find('/');
    const auto second = first == std::string_view::npos ? first : build.find('/', first + 1);
    if (second != std::string_view::npos) {
      return EnvoyVersion{std::string(build.substr(first + 1, second - first - 1)), std::string(build)};
    }
  }
  return invalid("--binary-path", "the program answers --version with \"" + std::string(output.substr(0, 200)) +
                                      "\", which is not what Envoy says; " + std::string(kSetting));
}

std::vector<std::string> envoy_arguments(const Settings& settings, const std::string& bootstrap_file) {
  const auto drain_seconds = std::chrono::duration_cast<std::chrono::seconds>(settings.stop_budget()).count();
  std::vector<std::string> arguments = {
      "--config-path", bootstrap_file, "--drain-time-s", std::to_string(std::max<long>(drain_seconds, 1)),
      // "immediate": a connection is told to go with its next answer, not with a growing probability.
      "--drain-strategy", "immediate",
      // Nobody restarts Envoy hot here, and without it several run on one host.
      "--disable-hot-restart", "--log-format", kEnvoyLogFormat, "--log-level",
      settings.envoy_log_level.empty() ? std::string(envoy_log_level(settings.log_level)) : settings.envoy_log_level};
  if (!settings.envoy_component_log_level.empty()) {
    arguments.insert(arguments.end(), {"--component-log-level", settings.envoy_component_log_level});
  }
  if (settings.concurrency > 0) {
    arguments.insert(arguments.end(), {"--concurrency", std::to_string(settings.concurrency)});
  } else {
    arguments.emplace_back("--cpuset-threads");
  }
  return arguments;
}

}  // namespace mesh::sidecar
