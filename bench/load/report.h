// What a run found, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "load/fleet.h"
#include "load/settings.h"

namespace mesh::load {

struct PhaseResult {
  std::string name;
  std::string what;  // what the latencies are
  bool converged = true;
  std::string problem;            // why not
  std::size_t expected = 0;       // measurements that should be there
  std::vector<double> latencies;  // milliseconds
  double seconds = 0;             // until it converged, all changes of the phase together
  double whole_seconds = 0;       // with the pauses; CPU time and counters are of this time
  double cpu_seconds = 0;
  long resident_kb = 0, resident_peak_kb = 0;
  Counters counters;
};

double percentile(std::vector<double> values, double part);  // part of 1; 0 when there are none
std::string report_json(const LoadSettings& settings, const std::vector<PhaseResult>& phases);
std::string report_table(const LoadSettings& settings, const std::vector<PhaseResult>& phases);

}  // namespace mesh::load
