#include "sidecar/lifecycle_report.h"

#include "base/bytes.h"
#include "base/log.h"
#include "base/version.h"
#include "taskmesh/proxy/v1/lifecycle.pb.h"

namespace mesh::sidecar {

namespace {

namespace proto = taskmesh::proxy::v1;

constexpr const char* kPath = "/taskmesh.proxy.v1.ProxyLifecycle/Report";
constexpr int kPermissionDenied = 7;
constexpr int kUnimplemented = 12;
constexpr int kUnauthenticated = 16;
constexpr std::size_t kLongestReason = 1024;

proto::ProxyReport::State state_of(Standing standing) {
  switch (standing) {
    case Standing::Starting: return proto::ProxyReport::STARTING;
    case Standing::Ready: return proto::ProxyReport::READY;
    case Standing::Leaving: return proto::ProxyReport::LEAVING;
  }
  return proto::ProxyReport::STATE_UNSPECIFIED;
}

}  // namespace

struct LifecycleReport::State : std::enable_shared_from_this<State> {
  State(wire::Strand strand_in, ReportSettings settings_in, ReportEvents events_in)
      : strand(std::move(strand_in)), settings(std::move(settings_in)), events(std::move(events_in)) {}

  // What happens on a stream, brought to our strand. `attempt` tells the events of an old stream from those of the new.
  struct Receiver final : wire::GrpcEvents {
    Receiver(std::weak_ptr<State> state_in, std::uint64_t attempt_in)
        : state(std::move(state_in)), attempt(attempt_in) {}
    void on_message(std::string message) override {
      post([message = std::move(message)](State& self) { self.on_instruction(message); });
    }
    void on_closed(const wire::GrpcStatus& status) override {
      post([status](State& self) { self.on_closed(status); });
    }
    void post(std::function<void(State&)> task) {
      const auto self = state.lock();
      if (!self) return;
      self->strand.post([self, mine = attempt, task = std::move(task)] {
        if (!self->ended && mine == self->attempt) task(*self);
      });
    }
    std::weak_ptr<State> state;
    std::uint64_t attempt;
  };

  void open() {
    ++attempt;
    sequence = 0;
    answered = false;
    wire::Headers metadata;
    const Secret token = settings.read_token();
    if (!token.empty()) metadata.add("authorization", token.reveal());
    stream = settings.channel->open(kPath, std::move(metadata), std::make_unique<Receiver>(weak_from_this(), attempt));
    send();
  }

  void send() {
    if (stream == nullptr) return;
    proto::ProxyReport report;
    if (++sequence == 1) {
      report.set_mesh(settings.mesh);
      report.set_name(settings.name);
      if (settings.proxy_type != ProxyRole::Dataplane)
        report.set_proxy_type(std::string(proxy_type_name(settings.proxy_type)));
      report.set_manager_version(kVersion);
    }
    report.set_sequence(sequence);
    report.set_state(state_of(standing));
    report.set_reason(reason.substr(0, kLongestReason));
    for (const std::uint32_t port : unavailable_ports) report.add_unavailable_ports(port);
    if (standing == Standing::Leaving && first_leaving == 0) first_leaving = sequence;
    stream->send({make_bytes(report.SerializeAsString())});
  }

  void on_instruction(const std::string& message) {
    proto::ProxyInstruction instruction;
    if (!instruction.ParseFromString(message)) {
      MESH_LOG_WARN("sidecar", "the control plane sent an instruction that cannot be read");
      return;
    }
    if (!answered) {
      answered = true;
      backoff.reset();
      last_problem.clear();
      MESH_LOG_DEBUG("sidecar", "the control plane hears our reports");
      events.on_connected(true);
    }
    if (instruction.withdrawn() && first_leaving != 0 && instruction.sequence() >= first_leaving) events.on_withdrawn();
  }

  void on_closed(const wire::GrpcStatus& status) {
    stream.reset();
    first_leaving = 0;
    if (answered) events.on_connected(false);
    if (status.code == kUnimplemented) {
      MESH_LOG_INFO("sidecar", "this control plane takes no life cycle reports; it will learn of us by health checks");
      supported = false;
      settings.channel = nullptr;  // nothing else may need it
      events.on_not_supported();
      return;
    }
    const bool refused = status.code == kPermissionDenied || status.code == kUnauthenticated;
    const std::string problem = fmt::format("{} (status {})", status.message, status.code);
    if (problem != last_problem) {
      MESH_LOG_WARN("sidecar", "the life cycle stream to {} {}: {}", settings.cp_address,
                    refused ? "was refused" : "ended", problem);
    }
    last_problem = problem;
    // Not before a while when refused: only a new token, or somebody's decision, changes that.
    const Duration pause = refused ? std::chrono::seconds(5) : backoff.next();
    timer = strand.after(pause, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && !self->ended) self->open();
    });
  }

  wire::Strand strand;
  ReportSettings settings;
  ReportEvents events;
  Backoff backoff{std::chrono::milliseconds(100), std::chrono::seconds(3)};
  std::shared_ptr<wire::GrpcStream> stream;
  wire::Timer timer;
  std::uint64_t attempt = 0, sequence = 0, first_leaving = 0;
  bool started = false, answered = false, supported = true, ended = false;
  Standing standing = Standing::Starting;
  std::string reason, last_problem;
  std::vector<std::uint32_t> unavailable_ports;
};

LifecycleReport::LifecycleReport(wire::Strand strand, ReportSettings settings, ReportEvents events)
    : state_(std::make_shared<State>(std::move(strand), std::move(settings), std::move(events))) {}

LifecycleReport::~LifecycleReport() {
  state_->ended = true;
  state_->timer.cancel();
  if (state_->stream) state_->stream->finish({});
}

void LifecycleReport::tell(Standing standing, std::string reason, std::vector<std::uint32_t> unavailable_ports) {
  state_->standing = standing;
  state_->reason = std::move(reason);
  state_->unavailable_ports = std::move(unavailable_ports);
  if (!state_->supported) return;
  if (!std::exchange(state_->started, true)) {
    state_->open();
  } else {
    state_->send();
  }
}

}  // namespace mesh::sidecar
