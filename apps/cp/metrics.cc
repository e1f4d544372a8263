#include "cp/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <fstream>

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
    if (families_.empty() || families_.back().name != name) families_.push_back({name, help, type, {}});
    ClientMetric metric;
    metric.label = std::move(labels);
    if (type == MetricType::Counter)
      metric.counter.value = value;
    else
      metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void counter(const std::string& name, const std::string& help, std::uint64_t value,
               std::vector<ClientMetric::Label> labels = {}) {
    add(MetricType::Counter, name, help, static_cast<double>(value), std::move(labels));
  }
  void gauge(const std::string& name, const std::string& help, double value, std::vector<ClientMetric::Label> labels = {}) {
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

}  // namespace

std::string metrics_text(const Pipeline& pipeline, const Store& store, const KindRegistry& kinds) {
  Families out;
  const PipelineCounters counters = pipeline.counters();
  out.gauge("cp_info", "Which program this is", 1, {{"product", kProduct}, {"version", kVersion}});
  out.counter("pipeline_builds_total", "Configurations made", counters.builds.full_builds, {{"what", "full"}});
  out.counter("pipeline_builds_total", "", counters.builds.endpoint_builds, {{"what", "endpoints"}});
  out.counter("pipeline_builds_total", "", counters.builds.secret_builds, {{"what", "secrets"}});
  out.counter("pipeline_builds_unchanged_total", "Configurations made that were the same as before", counters.builds.unchanged);
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
    if (const Result<Page> page = store.list(query))
      out.gauge("resources_count", "Resources in the store", static_cast<double>(page->total), {{"resource_type", kind->name}});
  }
  out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident_bytes());
  return out.text();
}

}  // namespace mesh
