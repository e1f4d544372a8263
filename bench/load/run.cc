#include "load/run.h"

#include <fmt/format.h>

#include <algorithm>

namespace mesh::load {

namespace {

// What a control plane writes down, and tidies up, of what was before is not what it costs when nothing happens.
constexpr Duration kAftermath = std::chrono::seconds(20);

double seconds_between(SteadyTime from, SteadyTime to) { return std::chrono::duration<double>(to - from).count(); }
double milliseconds_between(SteadyTime from, SteadyTime to) { return seconds_between(from, to) * 1000; }

}  // namespace

Run::Run(const LoadSettings& settings, RunEvents events)
    : settings_(settings), events_(std::move(events)), fleet_(settings_), api_(fleet_), server_(settings_.pid) {}

Status Run::prepare() {
  if (!api_.wait_until_up(std::chrono::seconds(30)))
    return error(ErrorKind::Unavailable, settings_.api_url + " does not answer; is the control plane running?");
  MESH_RETURN_IF_ERROR(api_.put_mesh());
  MESH_RETURN_IF_ERROR(api_.put_policies());
  std::vector<Instance> instances;
  const int churned = settings_.runs("churn") ? std::max(1, settings_.proxies / 20) * settings_.churn_seconds : 0;
  const int joined = settings_.runs("join") || settings_.runs("leave") ? settings_.changes : 0;
  for (int i = 0; i < settings_.proxies + churned + joined; ++i)
    instances.push_back(fleet_.make_instance(i % settings_.service_count()));
  events_.progress("tokens", 0, instances.size());
  MESH_TRY(std::vector<std::string> tokens, api_.make_tokens(instances));
  const auto fleet_size = static_cast<std::size_t>(settings_.proxies);
  fleet_.on_loop([&] {
    for (std::size_t i = 0; i < fleet_size; ++i) fleet_.add(instances[i], tokens[i]);
  });
  spare_instances_.assign(instances.begin() + settings_.proxies, instances.end());
  spare_tokens_.assign(tokens.begin() + settings_.proxies, tokens.end());
  return {};
}

void Run::go() {
  const std::vector<std::pair<std::string, Phase>> phases = {
      {"connect", &Run::connect},       {"join", &Run::join},
      {"leave", &Run::leave},           {"policy", &Run::policy},
      {"permission", &Run::permission}, {"churn", &Run::churn},
      {"reconnect", &Run::reconnect},   {"idle", &Run::idle},
      {"storm", &Run::storm},           {"slow", &Run::slow},
      {"refusal", &Run::refusal},       {"restart", &Run::restart}};
  measure("connect", &Run::connect);  // without it there is nobody
  for (const std::string& name : settings_.phases)
    for (const auto& [known, phase] : phases)
      if (known == name && name != "connect") {
        if (name == "idle") fleet_.pause(kAftermath);
        measure(name, phase);
      }
}

void Run::measure(const std::string& name, Phase phase) {
  PhaseResult result;
  result.name = name;
  Counters before;
  fleet_.on_loop([&] {
    before = fleet_.counters;
    fleet_.last_problem.clear();
  });
  const double cpu = server_.cpu_seconds();
  const SteadyTime start = fleet_.now();
  (this->*phase)(result);
  fleet_.pause(settings_.settle);
  result.whole_seconds = seconds_between(start, fleet_.now());
  result.cpu_seconds = server_.cpu_seconds() - (name == "restart" ? 0 : cpu);
  result.resident_kb = server_.resident_kb();
  result.resident_peak_kb = server_.resident_peak_kb();
  fleet_.on_loop([&] {
    result.counters = fleet_.counters - before;
    if (!result.converged && !fleet_.last_problem.empty())
      result.problem += "; last failure seen: " + fleet_.last_problem;
  });
  results_.push_back(std::move(result));
}

void Run::fail(PhaseResult& result, const std::string& problem) {
  if (!result.problem.empty()) result.problem += "; ";
  result.problem += problem;
  result.converged = false;
}

bool Run::wait_for_watch(PhaseResult& result, std::size_t expected, const std::function<SteadyTime()>& since) {
  result.expected += expected;
  std::size_t missing = 0;
  const bool reached = fleet_.wait_until(
      [&] {
        missing = fleet_.missing();
        return missing == 0;
      },
      settings_.limit, [&] { events_.progress(result.name, expected - missing, expected); });
  std::vector<double> latencies;
  fleet_.on_loop([&] { latencies = fleet_.take_latencies(since()); });
  if (!latencies.empty()) result.seconds += percentile(latencies, 1) / 1000;
  result.latencies.insert(result.latencies.end(), latencies.begin(), latencies.end());
  if (!reached) fail(result, fmt::format("{} of {} did not get a change", missing, expected));
  return reached;
}

bool Run::wait_for_complete(PhaseResult& result, const std::vector<std::shared_ptr<Sidecar>>& sidecars,
                            SteadyTime deadline) {
  result.expected += sidecars.size();
  std::size_t complete = 0;
  const bool reached = fleet_.wait_until(
      [&] {
        complete = static_cast<std::size_t>(std::count_if(
            sidecars.begin(), sidecars.end(), [](const auto& sidecar) { return sidecar->completed_at().has_value(); }));
        return complete == sidecars.size();
      },
      deadline - fleet_.now(), [&] { events_.progress(result.name, complete, sidecars.size()); });
  fleet_.on_loop([&] {
    for (const auto& sidecar : sidecars)
      if (sidecar->completed_at())
        result.latencies.push_back(milliseconds_between(sidecar->started_at(), *sidecar->completed_at()));
  });
  if (!reached) fail(result, fmt::format("{} of {} are not complete", sidecars.size() - complete, sidecars.size()));
  return reached;
}

void Run::connect(PhaseResult& result) {
  result.what = "from its start until a sidecar has all its configuration";
  const SteadyTime start = fleet_.now();
  std::vector<std::shared_ptr<Sidecar>> all;
  fleet_.on_loop([&] {
    all = fleet_.sidecars();
    for (const auto& sidecar : all) sidecar->start();
  });
  if (!wait_for_complete(result, all, start + settings_.limit)) return;
  std::size_t with_all = 0;
  const bool reached = fleet_.wait_until(
      [&] {
        with_all = static_cast<std::size_t>(std::count_if(
            all.begin(), all.end(), [&](const auto& sidecar) { return fleet_.has_all_endpoints(*sidecar); }));
        return with_all == all.size();
      },
      start + settings_.limit - fleet_.now(), [&] { events_.progress("endpoints", with_all, all.size()); });
  result.seconds = seconds_between(start, fleet_.now());
  if (!reached) fail(result, fmt::format("{} of {} do not know all endpoints", all.size() - with_all, all.size()));
}

std::vector<std::shared_ptr<Sidecar>> Run::callers_of(int service) const {
  std::vector<std::shared_ptr<Sidecar>> out;
  for (const auto& sidecar : fleet_.sidecars())
    if (sidecar->is_complete() && std::find(sidecar->instance.calls.begin(), sidecar->instance.calls.end(), service) !=
                                      sidecar->instance.calls.end())
      out.push_back(sidecar);
  return out;
}

std::shared_ptr<Sidecar> Run::add_spare() {
  if (spare_instances_.empty()) return nullptr;
  auto sidecar = fleet_.add(spare_instances_.back(), spare_tokens_.back());
  spare_instances_.pop_back();
  spare_tokens_.pop_back();
  return sidecar;
}

void Run::join(PhaseResult& result) {
  result.what = "from a new instance's word that it is ready until a caller of its service has its address";
  for (int i = 0; i < settings_.changes; ++i) {
    std::shared_ptr<Sidecar> joins;
    std::size_t expected = 0;
    fleet_.on_loop([&] {
      joins = add_spare();
      if (!joins) return;
      const auto callers = callers_of(joins->instance.service);
      expected = callers.size();
      fleet_.watch({XdsType::Endpoint, service_name(joins->instance.service), joins->instance.address, true}, callers);
      joins->start();
    });
    if (!joins) return;
    joined_.push_back(joins);
    if (!wait_for_watch(result, expected, [&] { return joins->said_hello_at(); })) return;
  }
}

void Run::leave(PhaseResult& result) {
  result.what = "from an instance's goodbye until a caller of its service no longer has its address";
  while (!joined_.empty()) {
    const std::shared_ptr<Sidecar> leaves = joined_.back();
    joined_.pop_back();
    std::size_t expected = 0;
    SteadyTime since;
    fleet_.on_loop([&] {
      auto callers = callers_of(leaves->instance.service);
      std::erase(callers, leaves);
      expected = callers.size();
      fleet_.watch({XdsType::Endpoint, service_name(leaves->instance.service), leaves->instance.address, false},
                   callers);
      since = fleet_.now();
      leaves->leave();
    });
    if (!wait_for_watch(result, expected, [&] { return since; })) return;
  }
}

void Run::change_for_all(PhaseResult& result, XdsType type, const std::function<Status(int)>& put,
                         const std::function<std::string(int)>& needle) {
  for (int i = 0; i < settings_.changes; ++i) {
    const int number = ++last_change_;
    std::size_t expected = 0;
    fleet_.on_loop([&] {
      fleet_.watch({type, "", needle(number), true}, fleet_.sidecars());
      expected = fleet_.sidecars().size();
    });
    if (const Status status = put(number); !status) return fail(result, status.error().message());
    const SteadyTime answered = fleet_.now();
    if (!wait_for_watch(result, expected, [&] { return answered; })) return;
  }
}

void Run::policy(PhaseResult& result) {
  result.what = "from the REST answer to a changed MeshTimeout until a sidecar has it";
  change_for_all(result, XdsType::Cluster, [&](int number) { return api_.put_timeout(number); }, &Api::timeout_needle);
}

void Run::permission(PhaseResult& result) {
  result.what = "from the REST answer to a changed MeshTrafficPermission until a sidecar has it";
  if (!settings_.mtls) return fail(result, "permissions need mutual TLS");
  change_for_all(
      result, XdsType::Listener, [&](int number) { return api_.put_permission(number); }, &Api::permission_needle);
}

void Run::replace(std::size_t count, std::vector<std::shared_ptr<Sidecar>>& newcomers) {
  std::vector<std::shared_ptr<Sidecar>> old;
  for (const auto& sidecar : fleet_.sidecars())
    if (sidecar->is_complete() && sidecar->is_running()) old.push_back(sidecar);
  std::shuffle(old.begin(), old.end(), fleet_.random());
  old.resize(std::min(old.size(), count));
  for (const auto& sidecar : old) {
    auto replacement = add_spare();
    if (!replacement) break;
    replacement->start();
    newcomers.push_back(std::move(replacement));
    sidecar->leave();
  }
}

void Run::churn(PhaseResult& result) {
  result.what = "from its start until a new instance has all its configuration, while 5 % are replaced each second";
  const auto all_together = static_cast<std::size_t>(std::max(1, settings_.proxies / 20) * settings_.churn_seconds);
  const int steps = settings_.churn_seconds * 20;
  std::vector<std::shared_ptr<Sidecar>> newcomers;
  const SteadyTime start = fleet_.now();
  for (int step = 1; step <= steps; ++step) {
    const std::size_t due = all_together * static_cast<std::size_t>(step) / static_cast<std::size_t>(steps);
    fleet_.on_loop([&] { replace(due - std::min(due, newcomers.size()), newcomers); });
    events_.progress("churn", newcomers.size(), all_together);
    const SteadyTime next = start + std::chrono::milliseconds(50) * step;
    if (next > fleet_.now()) fleet_.pause(next - fleet_.now());
  }
  // A newcomer that was replaced itself had been complete.
  if (!wait_for_complete(result, newcomers, fleet_.now() + settings_.limit)) return;
  const bool reached = fleet_.wait_until(
      [&] {
        const auto& all = fleet_.sidecars();
        return std::all_of(all.begin(), all.end(),
                           [&](const auto& sidecar) { return fleet_.has_all_endpoints(*sidecar); });
      },
      settings_.limit);
  result.seconds = seconds_between(start, fleet_.now());
  if (!reached) fail(result, "not all know the right endpoints afterwards");
}

void Run::reconnect(PhaseResult& result) {
  result.what = "from the start of a new Envoy of the same dataplane until it has all its configuration";
  std::vector<std::shared_ptr<Sidecar>> some;
  const SteadyTime start = fleet_.now();
  fleet_.on_loop([&] {
    some = fleet_.sidecars();
    some.resize(std::min<std::size_t>(some.size(), 50));
    for (const auto& sidecar : some) sidecar->restart_envoy();
  });
  wait_for_complete(result, some, start + settings_.limit);
  result.seconds = seconds_between(start, fleet_.now());
}

void Run::idle(PhaseResult& result) {
  result.what = "nothing happens, nor did in the twenty seconds before";
  events_.progress("idle", 0, 1);
  const SteadyTime start = fleet_.now();
  fleet_.pause(settings_.idle - settings_.settle);
  result.seconds = seconds_between(start, fleet_.now());
}

void Run::restart(PhaseResult& result) {
  result.what = "from the REST answer of the new control plane to a changed MeshTimeout until a sidecar has it";
  const int number = ++last_change_;
  std::size_t expected = 0;
  fleet_.on_loop([&] {
    fleet_.watch({XdsType::Cluster, "", Api::timeout_needle(number), true}, fleet_.sidecars());
    expected = fleet_.sidecars().size();
  });
  const long pid = events_.restart_control_plane ? events_.restart_control_plane() : 0;
  if (pid == 0) return fail(result, "the control plane was not restarted");
  server_ = ServerProcess(pid);
  if (!api_.wait_until_up(settings_.limit)) return fail(result, "the control plane does not come back");
  if (const Status status = api_.put_timeout(number); !status) return fail(result, status.error().message());
  const SteadyTime answered = fleet_.now();
  if (!wait_for_watch(result, expected, [&] { return answered; })) return;
  std::vector<std::shared_ptr<Sidecar>> all;
  fleet_.on_loop([&] { all = fleet_.sidecars(); });
  const bool reached = fleet_.wait_until(
      [&] {
        return std::all_of(all.begin(), all.end(),
                           [&](const auto& sidecar) { return fleet_.has_all_endpoints(*sidecar); });
      },
      settings_.limit);
  if (!reached) fail(result, "not all know the right endpoints afterwards");
}

}  // namespace mesh::load
