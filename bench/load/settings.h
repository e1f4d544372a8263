// What a run of the load generator is to do.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace mesh::load {

enum class Speaks { Delta, StateOfTheWorld };
// How the control plane learns that a proxy takes traffic: reports of our sidecar manager, Envoy's health discovery
// (which stock control planes know), or not at all.
enum class Readiness { Reports, Health, None };

struct LoadSettings {
  std::string api_url = "http://127.0.0.1:5681";
  std::string sidecar_url = "https://127.0.0.1:5678";
  std::string ca_pem;  // that signed the control plane's certificate; empty: any is taken
  long pid = 0;        // of the control plane, for its CPU time and memory; 0: not measured
  std::string mesh = "load";
  int proxies = 100;
  int services = 0;   // 0: one for each ten proxies
  int outbounds = 5;  // of each proxy
  int policies = 10;
  bool mtls = true;
  Speaks speaks = Speaks::Delta;
  Readiness readiness = Readiness::Reports;
  int connections = 1;              // of a sidecar whose manager reports; 2: its Envoy has one of its own for discovery
  std::vector<std::string> phases;  // empty: all
  int changes = 5;                  // per phase of changes
  int churn_seconds = 10;
  Duration idle = std::chrono::seconds(30);
  Duration settle = std::chrono::seconds(1);   // after each phase, so that what comes late is counted where it belongs
  Duration limit = std::chrono::seconds(120);  // for a phase to converge
  std::string report_path;

  bool carries_discovery() const { return readiness == Readiness::Reports && connections == 1; }
  int service_count() const { return services > 0 ? services : std::max(1, proxies / 10); }
  bool runs(const std::string& phase) const;
};

Result<LoadSettings> parse_settings(int argc, char** argv,
                                    int& exit_code);  // NotFound: there is nothing to do (--help)

const std::vector<std::string>& all_phases();

}  // namespace mesh::load
