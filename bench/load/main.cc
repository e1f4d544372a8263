// taskmesh-load: plays many sidecars to a control plane and measures it. A program that starts it (bench/report) hears
// of its progress on standard output and restarts the control plane when it asks for that.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>

#include "base/log.h"
#include "load/run.h"

namespace mesh::load {
namespace {

void show_progress(const std::string& phase, std::size_t reached, std::size_t of) {
  static std::string last;
  const std::string line = "progress " + phase + " " + std::to_string(reached) + " " + std::to_string(of);
  if (line == last) return;
  last = line;
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

long ask_for_restart() {
  std::printf("restart: restart the control plane, then type its process number\n");
  std::fflush(stdout);
  long pid = 0;
  std::cin >> pid;
  return std::cin ? pid : 0;
}

// A sidecar has two or three connections.
void allow_many_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int main_with(int argc, char** argv) {
  int exit_code = 0;
  const Result<LoadSettings> settings = parse_settings(argc, argv, exit_code);
  if (!settings) {
    if (settings.error().kind != ErrorKind::NotFound)
      std::fprintf(stderr, "taskmesh-load: %s\n", settings.error().message().c_str());
    return settings.error().kind == ErrorKind::NotFound ? exit_code : 1;
  }
  log::set_level("", log::Level::Warn);
  allow_many_files();
  Run run(*settings, {&show_progress, &ask_for_restart});
  if (const Status prepared = run.prepare(); !prepared) {
    std::fprintf(stderr, "taskmesh-load: %s\n", prepared.error().message().c_str());
    return 1;
  }
  run.go();
  if (!settings->report_path.empty())
    std::ofstream(settings->report_path) << report_json(*settings, run.results()) << "\n";
  std::printf("\n%s", report_table(*settings, run.results()).c_str());
  std::fflush(stdout);
  for (const PhaseResult& phase : run.results())
    if (!phase.converged) return 2;
  return 0;
}

}  // namespace
}  // namespace mesh::load

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return mesh::load::main_with(argc, argv);
}
