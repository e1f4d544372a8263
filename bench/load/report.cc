#include "load/report.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"

namespace mesh::load {

namespace json = boost::json;

double percentile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

namespace {

double rounded(double value) { return std::round(value * 1000) / 1000; }

json::object phase_json(const PhaseResult& phase) {
  const Counters& counters = phase.counters;
  return {{"name", phase.name},
          {"what", phase.what},
          {"converged", phase.converged},
          {"problem", phase.problem},
          {"expected", phase.expected},
          {"measured", phase.latencies.size()},
          {"p50_ms", rounded(percentile(phase.latencies, 0.5))},
          {"p99_ms", rounded(percentile(phase.latencies, 0.99))},
          {"max_ms", rounded(percentile(phase.latencies, 1))},
          {"seconds", rounded(phase.seconds)},
          {"whole_seconds", rounded(phase.whole_seconds)},
          {"cpu_seconds", rounded(phase.cpu_seconds)},
          {"resident_kb", phase.resident_kb},
          {"resident_peak_kb", phase.resident_peak_kb},
          {"pushes", counters.pushes},
          {"bytes", counters.bytes},
          {"resources", counters.resources},
          {"useless_pushes", counters.useless_pushes},
          {"useless_resources", counters.useless_resources},
          {"streams_opened", counters.streams_opened},
          {"streams_lost", counters.streams_lost},
          {"bootstraps_failed", counters.bootstraps_failed}};
}

}  // namespace

std::string report_json(const LoadSettings& settings, const std::vector<PhaseResult>& phases) {
  json::array list;
  for (const PhaseResult& phase : phases) list.push_back(phase_json(phase));
  return json::serialize(
      json::object{{"at", format_time(std::chrono::time_point_cast<std::chrono::seconds>(real_clock().now()))},
                   {"proxies", settings.proxies},
                   {"services", settings.service_count()},
                   {"outbounds", settings.outbounds},
                   {"policies", settings.policies},
                   {"mtls", settings.mtls},
                   {"protocol", settings.speaks == Speaks::Delta ? "delta" : "sotw"},
                   {"changes", settings.changes},
                   {"phases", std::move(list)}});
}

std::string report_table(const LoadSettings& settings, const std::vector<PhaseResult>& phases) {
  std::string out =
      fmt::format("{} sidecars, {} services, {} outbounds each, {} policies, mTLS {}, {}\n\n", settings.proxies,
                  settings.service_count(), settings.outbounds, settings.policies, settings.mtls ? "on" : "off",
                  settings.speaks == Speaks::Delta ? "delta" : "state of the world");
  out += fmt::format("{:<11} {:>9} {:>9} {:>9} {:>8} {:>7} {:>8} {:>9} {:>8} {:>7}  {}\n", "phase", "p50 ms", "p99 ms",
                     "max ms", "total s", "CPU s", "pushes", "MB sent", "useless", "RSS MB", "");
  for (const PhaseResult& phase : phases) {
    out += fmt::format("{:<11} {:>9.1f} {:>9.1f} {:>9.1f} {:>8.2f} {:>7.2f} {:>8} {:>9.2f} {:>8} {:>7.0f}  {}\n",
                       phase.name, percentile(phase.latencies, 0.5), percentile(phase.latencies, 0.99),
                       percentile(phase.latencies, 1), phase.seconds, phase.cpu_seconds, phase.counters.pushes,
                       static_cast<double>(phase.counters.bytes) / 1e6, phase.counters.useless_pushes,
                       static_cast<double>(phase.resident_kb) / 1024,
                       phase.converged ? "" : "DID NOT CONVERGE: " + phase.problem);
  }
  return out;
}

}  // namespace mesh::load
