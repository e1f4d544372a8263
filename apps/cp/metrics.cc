#include "cp/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <limits>

#include "base/version.h"

namespace mesh {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Families {
 public:
  void add(MetricType type, const std::string& name, const std::string& help, double value,
           std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric& metric = add(type, name, help, std::move(labels));
    if (type == MetricType::Counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
  }
  ClientMetric& add(MetricType type, const std::string& name, const std::string& help,
                    std::vector<ClientMetric::Label> labels) {
    if (families_.empty() || families_.back().name != name) families_.push_back({name, help, type, {}});
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = std::move(labels);
    return metric;
  }
  void counter(const std::string& name, const std::string& help, std::uint64_t value,
               std::vector<ClientMetric::Label> labels = {}) {
    add(MetricType::Counter, name, help, static_cast<double>(value), std::move(labels));
  }
  void gauge(const std::string& name, const std::string& help, double value,
             std::vector<ClientMetric::Label> labels = {}) {
    add(MetricType::Gauge, name, help, value, std::move(labels));
  }
  std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0;
  double resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

void add_aws(Families& out, const AwsFigures& aws) {
  constexpr std::array kResults = {"ok", "refused", "throttled", "unavailable"};
  for (const auto& operation : aws.calls)
    for (std::size_t i = 0; i < kResults.size(); ++i)
      out.counter("aws_calls_total", "Calls to AWS", operation.results.at(i),
                  {{"operation", operation.name}, {"result", kResults.at(i)}});
  for (const auto& operation : aws.calls) {
    ClientMetric& metric = out.add(MetricType::Histogram, "aws_call_duration_seconds", "How long calls to AWS took",
                                   {{"operation", operation.name}});
    metric.histogram.sample_count = operation.calls();
    metric.histogram.sample_sum = operation.seconds;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < operation.slots.size(); ++i) {
      below += operation.slots.at(i);
      const bool is_last = i == aws::CallCounters::kBounds.size();
      metric.histogram.bucket.push_back(
          {below, is_last ? std::numeric_limits<double>::infinity() : aws::CallCounters::kBounds.at(i)});
    }
  }
  const auto add_answers = [&](const char* what, const auto& counts) {
    const char* help =
        "Where answers about proofs and roles came from: kept from before, shared with somebody who asked, a call";
    out.counter("aws_answers_total", help, counts.kept, {{"what", what}, {"from", "kept"}});
    out.counter("aws_answers_total", help, counts.shared, {{"what", what}, {"from", "shared"}});
    out.counter("aws_answers_total", help, counts.calls, {{"what", what}, {"from", "call"}});
  };
  add_answers("proof", aws.authority.proofs);
  add_answers("role", aws.authority.roles);
  out.counter("aws_proofs_refused_unasked_total", "Proofs of roles that were refused before AWS was asked",
              aws.authority.refused_unasked);
  out.counter("aws_calls_held_back_total", "Calls to AWS that limits or an outage did not let through",
              aws.authority.held_back);
}

void add_names(Families& out, const NamingFigures& names) {
  for (const auto& range : names.ranges) {
    const char* help = "Virtual addresses: in use, and kept back because someone may have them cached";
    out.gauge("naming_addresses", help, static_cast<double>(range.held), {{"range", range.name}, {"state", "used"}});
    out.gauge("naming_addresses", help, static_cast<double>(range.kept_back),
              {{"range", range.name}, {"state", "kept_back"}});
  }
  for (const auto& range : names.ranges)
    out.gauge("naming_addresses_max", "Virtual addresses in the range", static_cast<double>(range.size),
              {{"range", range.name}});
  out.counter("naming_writes_total", "Services and blocks of addresses written", names.writes);
  out.counter("naming_write_failures_total", "Transactions that met somebody else's change, or no store",
              names.failures);
}

void add_route53(Families& out, const Route53Figures& route53) {
  for (const auto& [operation, count] : route53.calls)
    out.counter("route53_calls_total", "Requests to Route 53", count, {{"operation", operation}});
  for (const auto& [kind, count] : route53.failures)
    out.counter("route53_failures_total", "Requests to Route 53 that failed", count, {{"kind", kind}});
  out.counter("route53_throttles_total", "Requests to Route 53 that were too many", route53.throttles);
  for (const auto& [zone, figures] : route53.zones) {
    const char* help =
        "Names in a hosted zone: records of ours, names to be published or withdrawn, names that others use, names "
        "that were refused";
    out.gauge("route53_names", help, static_cast<double>(figures.owned), {{"zone", zone}, {"state", "owned"}});
    out.gauge("route53_names", help, static_cast<double>(figures.pending), {{"zone", zone}, {"state", "pending"}});
    out.gauge("route53_names", help, static_cast<double>(figures.conflicts), {{"zone", zone}, {"state", "conflict"}});
    out.gauge("route53_names", help, static_cast<double>(figures.refused), {{"zone", zone}, {"state", "refused"}});
  }
  for (const auto& [zone, figures] : route53.zones)
    out.gauge("route53_records", "All records of a hosted zone, as far as it is known",
              static_cast<double>(figures.records), {{"zone", zone}});
  for (const auto& [zone, figures] : route53.zones)
    out.counter("route53_drifted_total", "Records that somebody else had changed", figures.drifted, {{"zone", zone}});
  for (const auto& [zone, figures] : route53.zones) {
    const Duration age = figures.oldest_pending ? real_clock().steady() - *figures.oldest_pending : Duration::zero();
    out.gauge("route53_oldest_pending_seconds", "Age of the oldest change that is not published yet",
              std::chrono::duration<double>(age).count(), {{"zone", zone}});
  }
}

}  // namespace

std::string metrics_text(const Pipeline& pipeline, const Store& store, const KindRegistry& kinds,
                         const std::optional<AwsFigures>& aws, const NamingFigures& names,
                         const std::optional<Route53Figures>& route53) {
  Families out;
  const PipelineCounters counters = pipeline.counters();
  out.gauge("cp_info", "Which program this is", 1, {{"product", kProduct}, {"version", kVersion}});
  out.counter("pipeline_builds_total", "Configurations made", counters.builds.full_builds, {{"what", "full"}});
  out.counter("pipeline_builds_total", "", counters.builds.partial_builds, {{"what", "touched"}});
  out.counter("pipeline_builds_total", "", counters.builds.secret_builds, {{"what", "secrets"}});
  out.counter("pipeline_builds_unchanged_total", "Configurations made that were the same as before",
              counters.builds.unchanged);
  out.counter("pipeline_offers_total", "Configurations given to discovery streams", counters.builds.offers);
  out.counter("pipeline_turns_total", "Turns of the writer thread", counters.turns);
  out.counter("pipeline_certificates_total", "Workload certificates issued", counters.certificates);
  out.counter("ads_pushes_total", "Discovery responses sent to proxies", counters.pushes);
  out.counter("ads_refusals_total", "Discovery responses that proxies refused", counters.refusals);
  out.gauge("pipeline_proxies_connected", "Proxies with a discovery stream", static_cast<double>(counters.connected));
  for (const Kind* kind : kinds.all()) {
    Query query;
    query.kind = kind;
    query.size = 1;
    const Result<Page> page = store.list(query);
    if (!page) break;  // the database is away: to ask for each kind would take its time
    out.gauge("resources_count", "Resources in the store", static_cast<double>(page->total),
              {{"resource_type", kind->name}});
  }
  if (aws) add_aws(out, *aws);
  add_names(out, names);
  if (route53) add_route53(out, *route53);
  out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident_bytes());
  return out.text();
}

}  // namespace mesh
