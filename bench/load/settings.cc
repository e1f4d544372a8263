#include "load/settings.h"

#include <CLI/CLI.hpp>

#include <algorithm>

#include "base/files.h"

namespace mesh::load {

const std::vector<std::string>& all_phases() {
  static const std::vector<std::string> phases = {"connect",   "join",  "leave", "policy",  "permission", "churn",
                                                  "reconnect", "storm", "slow",  "refusal", "idle",       "restart"};
  return phases;
}

bool LoadSettings::runs(const std::string& phase) const {
  return phases.empty() || std::find(phases.begin(), phases.end(), phase) != phases.end();
}

Result<LoadSettings> parse_settings(int argc, char** argv, int& exit_code) {
  LoadSettings settings;
  std::string ca_file, speaks = "delta", readiness = "reports";
  bool no_mtls = false;
  double idle = 30, settle = 1, limit = 120;
  CLI::App app("Plays many sidecars to a control plane and measures what that costs and how long changes take.",
               "taskmesh-load");
  app.add_option("--api", settings.api_url, "REST interface")->capture_default_str();
  app.add_option("--sidecar-port", settings.sidecar_url, "where sidecars connect")->capture_default_str();
  app.add_option("--ca-cert-file", ca_file,
                 "CA of the control plane's certificate; without it any certificate is taken");
  app.add_option("--pid", settings.pid, "process of the control plane: its CPU time and memory are reported");
  app.add_option("--mesh", settings.mesh, "name of the mesh, which is made")->capture_default_str();
  app.add_option("-n,--proxies", settings.proxies, "sidecars")->check(CLI::Range(1, 50'000))->capture_default_str();
  app.add_option("-s,--services", settings.services, "services; 0: one for each ten sidecars")->capture_default_str();
  app.add_option("-k,--outbounds", settings.outbounds, "services that each sidecar calls")->capture_default_str();
  app.add_option("-p,--policies", settings.policies, "policies beside those of a new mesh")->capture_default_str();
  app.add_flag("--no-mtls", no_mtls, "without mutual TLS in the mesh");
  app.add_option("--protocol", speaks, "discovery protocol")
      ->check(CLI::IsMember({"delta", "sotw"}))
      ->capture_default_str();
  app.add_option("--readiness", readiness, "how endpoints become live")
      ->check(CLI::IsMember({"reports", "health", "none"}))
      ->capture_default_str();
  app.add_option("--connections", settings.connections,
                 "of a sidecar with --readiness reports: 1, its manager carries discovery; 2, Envoy connects by itself")
      ->check(CLI::Range(1, 2))
      ->capture_default_str();
  app.add_option("--phases", settings.phases,
                 "what to do, in this order (default: all but restart): connect, join, leave, policy, "
                 "permission, churn, reconnect, idle, restart")
      ->delimiter(',')
      ->check(CLI::IsMember(all_phases()));
  app.add_option("--changes", settings.changes, "changes in a phase of changes")->capture_default_str();
  app.add_option("--churn-seconds", settings.churn_seconds, "how long 5 % are replaced each second")
      ->capture_default_str();
  app.add_option("--idle", idle, "seconds of the idle phase")->capture_default_str();
  app.add_option("--settle", settle, "seconds after each phase that still count to it")->capture_default_str();
  app.add_option("--limit", limit, "seconds after which a phase has not converged")->capture_default_str();
  app.add_option("-o,--report", settings.report_path, "write the results there, as JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    exit_code = app.exit(problem);
    return error(ErrorKind::NotFound, "nothing to do");
  }
  const auto seconds = [](double count) {
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
  };
  settings.idle = seconds(idle);
  settings.settle = seconds(settle);
  settings.limit = seconds(limit);
  settings.mtls = !no_mtls;
  settings.speaks = speaks == "delta" ? Speaks::Delta : Speaks::StateOfTheWorld;
  settings.readiness = readiness == "reports"  ? Readiness::Reports
                       : readiness == "health" ? Readiness::Health
                                               : Readiness::None;
  if (settings.phases.empty()) {
    settings.phases = all_phases();
    settings.phases.pop_back();
  }
  if (!ca_file.empty()) {
    MESH_TRY(settings.ca_pem, read_file(ca_file));
  }
  return settings;
}

}  // namespace mesh::load
