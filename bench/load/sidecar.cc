#include "load/sidecar.h"

#include <fmt/format.h>
#include <taskmesh/proxy/v1/lifecycle.pb.h>

#include <algorithm>
#include <utility>

#include "base/version.h"
#include "load/fleet.h"

namespace mesh::load {

namespace {

using taskmesh::proxy::v1::ProxyInstruction;
using taskmesh::proxy::v1::ProxyReport;

constexpr const char* kSotwPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
constexpr const char* kDeltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr const char* kReportPath = "/taskmesh.proxy.v1.ProxyLifecycle/Report";
constexpr Duration kFirstPause =
    std::chrono::milliseconds(500);  // as Envoy: each pause is random, up to a bound that doubles
constexpr Duration kLongestPause = std::chrono::seconds(30), kLongestPauseCarried = std::chrono::seconds(5);

wire::GrpcClientSettings connection_to(const LoadSettings& settings) {
  wire::GrpcClientSettings out;
  out.url = settings.sidecar_url;
  out.tls.ca_pem = settings.ca_pem;
  out.tls.skip_verify = settings.ca_pem.empty();
  return out;
}

}  // namespace

// What happens on the streams, for as long as they are the newest ones.
class Sidecar::AdsEvents final : public wire::GrpcEvents {
 public:
  AdsEvents(std::weak_ptr<Sidecar> sidecar, std::uint64_t session) : sidecar_(std::move(sidecar)), session_(session) {}
  void on_message(std::string message) override {
    if (const auto self = current()) self->on_response(std::move(message));
  }
  void on_closed(const wire::GrpcStatus& status) override {
    if (const auto self = current()) self->on_discovery_closed(status);
  }

 private:
  std::shared_ptr<Sidecar> current() const {
    auto self = sidecar_.lock();
    return self && self->ads_session_ == session_ ? self : nullptr;
  }
  std::weak_ptr<Sidecar> sidecar_;
  std::uint64_t session_;
};

class Sidecar::ReportEvents final : public wire::GrpcEvents {
 public:
  ReportEvents(std::weak_ptr<Sidecar> sidecar, std::uint64_t session)
      : sidecar_(std::move(sidecar)), session_(session) {}
  void on_message(std::string message) override {
    if (const auto self = current()) self->on_instruction(message);
  }
  void on_closed(const wire::GrpcStatus& status) override {
    if (const auto self = current()) self->on_report_closed(status);
  }

 private:
  std::shared_ptr<Sidecar> current() const {
    auto self = sidecar_.lock();
    return self && self->report_session_ == session_ ? self : nullptr;
  }
  std::weak_ptr<Sidecar> sidecar_;
  std::uint64_t session_;
};

Sidecar::Sidecar(Fleet& fleet, Instance instance_in, std::string token)
    : instance(std::move(instance_in)),
      fleet_(fleet),
      token_(std::move(token)),
      node_(make_node(fleet.settings.mesh, instance)),
      strand_(fleet.loop().make_strand()) {}

void Sidecar::start() {
  is_running_ = true;
  started_at_ = fleet_.now();
  said_hello_at_ = {};
  ask_bootstrap();
}

void Sidecar::stop() {
  is_running_ = false;
  is_complete_ = false;
  ++ads_session_;
  ++report_session_;
  ++health_session_;
  for (auto* stream : {&ads_, &report_, &health_})
    if (auto open = std::exchange(*stream, nullptr)) open->finish({1, "the sidecar goes"});
  ads_channel_ = report_channel_ = nullptr;
  for (wire::Timer* timer : {&retry_timer_, &report_timer_, &health_timer_, &leave_timer_}) timer->cancel();
}

void Sidecar::restart_envoy() {
  stop();
  holds_ = Holdings();
  failures_ = report_failures_ = 0;
  completed_at_.reset();
  start();
}

void Sidecar::leave() {
  is_running_ = false;  // nobody should be sent to it any more
  is_leaving_ = true;
  const auto go = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->stop();
      self->fleet_.remove(self);
    }
  };
  if (!report_) {
    strand_.post(go);
    return;
  }
  leaving_sequence_ = sequence_ + 1;
  report(ProxyReport::LEAVING);
  leave_timer_ = strand_.after(std::chrono::seconds(5), go);
}

wire::Headers Sidecar::credential() const {
  wire::Headers out;
  out.add("authorization", token_);
  return out;
}

Duration Sidecar::next_pause() {
  const Duration longest = fleet_.settings.carries_discovery() ? kLongestPauseCarried : kLongestPause;
  const Duration bound = std::min(longest, kFirstPause * (1 << std::min(failures_++, 6)));
  return Duration(std::uniform_int_distribution<Duration::rep>(0, bound.count())(fleet_.random()));
}

void Sidecar::ask_bootstrap() {
  wire::ClientRequest request;
  request.method = "POST";
  request.url = fleet_.settings.sidecar_url + "/bootstrap";
  request.headers.add("accept", "application/json");
  request.headers.add("content-type", "application/json");
  request.body = bootstrap_json(fleet_.settings.mesh, instance, token_, fleet_.settings.ca_pem,
                                fleet_.settings.carries_discovery());
  request.tls = connection_to(fleet_.settings).tls;
  request.timeout = std::chrono::seconds(30);
  // Our manager keeps the connection; a stock one does not.
  const bool keeps = fleet_.settings.readiness == Readiness::Reports;
  auto on_answer = [weak = weak_from_this()](Result<wire::Response> response,
                                             std::shared_ptr<wire::KeptConnection> kept) {
    const auto self = weak.lock();
    if (!self || !self->is_running_) return;
    if (response && response->status == 200) {
      self->failures_ = 0;
      self->make_channels(std::move(kept));
      self->open_discovery();
      if (self->fleet_.settings.readiness == Readiness::Reports) self->open_report();
      return;
    }
    ++self->fleet_.counters.bootstraps_failed;
    self->fleet_.last_problem =
        "bootstrap: " + (response ? fmt::format("status {} {}", response->status, response->body.substr(0, 300))
                                  : response.error().message());
    self->retry_timer_ = self->strand_.after(self->next_pause(), [weak] {
      if (const auto again = weak.lock(); again && again->is_running_) again->ask_bootstrap();
    });
  };
  if (keeps) return wire::fetch_and_keep(fleet_.loop(), std::move(request), std::move(on_answer));
  wire::fetch(fleet_.loop(), std::move(request),
              [on_answer](Result<wire::Response> response) { on_answer(std::move(response), nullptr); });
}

void Sidecar::make_channels(std::shared_ptr<wire::KeptConnection> over) {
  wire::GrpcClientSettings settings = connection_to(fleet_.settings);
  ads_channel_ = wire::GrpcChannel::make(fleet_.loop(), settings);
  if (fleet_.settings.readiness != Readiness::Reports) return;
  settings.over = std::move(over);
  report_channel_ = wire::GrpcChannel::make(fleet_.loop(), std::move(settings));
  if (fleet_.settings.carries_discovery()) ads_channel_ = report_channel_;
}

void Sidecar::open_discovery() {
  ++fleet_.counters.streams_opened;
  const bool delta = fleet_.settings.speaks == Speaks::Delta;
  ads_ = ads_channel_->open(delta ? kDeltaPath : kSotwPath, credential(),
                            std::make_unique<AdsEvents>(weak_from_this(), ++ads_session_));
  is_node_sent_ = false;
  for (const XdsType type : kXdsTypes) {
    holds_.of(type).is_asked = false;
    holds_.of(type).nonce.clear();
  }
  if (fleet_.settings.readiness == Readiness::None && said_hello_at_ == SteadyTime{}) said_hello_at_ = fleet_.now();
  ask(XdsType::Cluster, {});
  if (!is_complete_) return;
  // An Envoy that comes back asks for all that it has.
  for (const XdsType type : {XdsType::Endpoint, XdsType::Listener, XdsType::Route, XdsType::Secret})
    if (type == XdsType::Listener || !holds_.of(type).names.empty()) ask(type, holds_.of(type).names);
  if (fleet_.settings.readiness == Readiness::Health) open_health();
}

void Sidecar::on_discovery_closed(const wire::GrpcStatus& status) {
  ads_.reset();
  if (!is_running_) return;
  ++fleet_.counters.streams_lost;
  fleet_.last_problem = fmt::format("discovery stream: {} (status {})", status.message, status.code);
  retry_timer_ = strand_.after(next_pause(), [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->is_running_) self->open_discovery();
  });
}

void Sidecar::ask(XdsType type, std::vector<std::string> names) {
  Holdings::Type& held = holds_.of(type);
  Ask request;
  request.type = type;
  if (!std::exchange(is_node_sent_, true)) request.node = &node_;
  if (fleet_.settings.speaks == Speaks::Delta) {
    if (!held.is_asked) {
      request.names = names;
      for (const auto& [name, resource] : held.resources) request.initial_versions.emplace_back(name, resource.version);
    } else {
      std::set_difference(names.begin(), names.end(), held.names.begin(), held.names.end(),
                          std::back_inserter(request.names));
      std::set_difference(held.names.begin(), held.names.end(), names.begin(), names.end(),
                          std::back_inserter(request.forget));
      for (const std::string& name : request.forget) held.resources.erase(name);
    }
  } else {
    request.names = names;
    request.version = held.version;
    request.nonce = held.nonce;
  }
  held.names = std::move(names);
  held.is_asked = true;
  ads_->send(write_request(fleet_.settings.speaks, request));
}

void Sidecar::on_response(std::string message) {
  failures_ = 0;
  const HeardResponse response = read_response(fleet_.settings.speaks, message);
  if (!response.is_known_type) return;
  const Verdict verdict = holds_.take(fleet_.settings.speaks, response);
  Holdings::Type& held = holds_.of(response.type);
  held.nonce = response.nonce;
  Counters& counters = fleet_.counters;
  ++counters.pushes;
  counters.bytes += message.size();
  counters.resources += verdict.resources;
  counters.useless_resources += verdict.useless_resources;
  counters.useless_pushes += verdict.is_useless ? 1 : 0;

  Ask answer;
  answer.type = response.type;
  answer.nonce = response.nonce;
  if (refuses_) {
    answer.refusal = "this sidecar refuses everything";
    ++counters.refusals;
  }
  if (fleet_.settings.speaks == Speaks::StateOfTheWorld) {
    answer.version = held.version;
    answer.names = held.names;
  }
  ads_->send(write_request(fleet_.settings.speaks, answer));
  if (!refuses_ && fleet_.is_watched(*this, response)) fleet_.on_met(*this);
  follow();
  if (!is_complete_) check_complete();
}

// What was sent refers to more; and listeners wait until all clusters are warm.
void Sidecar::follow() {
  if (!holds_.of(XdsType::Cluster).is_answered) return;
  for (const XdsType type : {XdsType::Endpoint, XdsType::Secret, XdsType::Route}) {
    std::vector<std::string> names = holds_.referred(type);
    const Holdings::Type& held = holds_.of(type);
    if (names != held.names || (!names.empty() && !held.is_asked)) ask(type, std::move(names));
  }
  if (!holds_.of(XdsType::Listener).is_asked && holds_.has_all(XdsType::Endpoint) && holds_.has_all(XdsType::Secret))
    ask(XdsType::Listener, {});
}

void Sidecar::check_complete() {
  for (const XdsType type : kXdsTypes)
    if (!holds_.has_all(type)) return;
  if (holds_.of(XdsType::Listener).resources.size() < 1 + instance.calls.size()) return;
  is_complete_ = true;
  if (!completed_at_) completed_at_ = fleet_.now();
  if (report_) report(ProxyReport::READY);
  if (fleet_.settings.readiness == Readiness::Health) open_health();
}

int Sidecar::endpoints_of(int service) const {
  const auto& assignments = holds_.of(XdsType::Endpoint).resources;
  const auto found = assignments.find(service_name(service));
  return found == assignments.end() ? 0 : found->second.endpoints;
}

void Sidecar::open_report() {
  sequence_ = leaving_sequence_ = 0;
  is_report_answered_ = false;
  report_ = report_channel_->open(kReportPath, credential(),
                                  std::make_unique<ReportEvents>(weak_from_this(), ++report_session_));
  report(is_complete_ ? ProxyReport::READY : ProxyReport::STARTING);
}

void Sidecar::report(int state) {
  ProxyReport report;
  if (++sequence_ == 1) {
    report.set_mesh(fleet_.settings.mesh);
    report.set_name(instance.name);
    report.set_manager_version(kVersion);
  }
  report.set_sequence(sequence_);
  report.set_state(static_cast<ProxyReport::State>(state));
  if (state == ProxyReport::READY && said_hello_at_ == SteadyTime{}) said_hello_at_ = fleet_.now();
  report_->send({make_bytes(report.SerializeAsString())});
}

void Sidecar::on_instruction(std::string_view message) {
  ProxyInstruction instruction;
  if (!instruction.ParseFromArray(message.data(), static_cast<int>(message.size()))) return;
  report_failures_ = 0;
  if (is_leaving_ && instruction.withdrawn() && leaving_sequence_ != 0 && instruction.sequence() >= leaving_sequence_) {
    const auto self = shared_from_this();
    stop();
    fleet_.remove(self);
  }
}

void Sidecar::on_report_closed(const wire::GrpcStatus& status) {
  report_.reset();
  if (!is_running_) return;
  fleet_.last_problem = fmt::format("report stream: {} (status {})", status.message, status.code);
  const Duration pause = std::min<Duration>(std::chrono::seconds(3),
                                            std::chrono::milliseconds(100) * (1 << std::min(report_failures_++, 5)));
  report_timer_ = strand_.after(pause, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && self->is_running_) self->open_report();
  });
}

}  // namespace mesh::load
