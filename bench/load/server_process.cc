#include "load/server_process.h"

#include <fmt/format.h>
#include <time.h>

#include <fstream>
#include <string>

namespace mesh::load {

namespace {

long status_line(long pid, const std::string& key) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key + ":")) return std::stol(line.substr(key.size() + 1));
  return 0;
}

}  // namespace

double ServerProcess::cpu_seconds() const {
  clockid_t clock{};
  timespec used{};
  if (!is_known() || ::clock_getcpuclockid(static_cast<pid_t>(pid_), &clock) != 0) return 0;
  if (::clock_gettime(clock, &used) != 0) return 0;  // NOLINT(house): CPU time of another process
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

long ServerProcess::resident_kb() const { return is_known() ? status_line(pid_, "VmRSS") : 0; }
long ServerProcess::resident_peak_kb() const { return is_known() ? status_line(pid_, "VmHWM") : 0; }

}  // namespace mesh::load
