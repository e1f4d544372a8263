#include "sidecar/sidecar.h"

#include <csignal>
#include <functional>
#include <map>
#include <optional>

#include "base/files.h"
#include "base/log.h"
#include "base/version.h"
#include "sidecar/access_log_relay.h"
#include "sidecar/bootstrap_client.h"
#include "sidecar/discovery_carrier.h"
#include "sidecar/envoy_admin.h"
#include "sidecar/envoy_log.h"
#include "sidecar/inbound_probe.h"
#include "sidecar/lifecycle_report.h"
#include "sidecar/name_feed.h"
#include "sidecar/readiness.h"
#include "sidecar/resolver.h"
#include "sidecar/role_proof.h"
#include "sidecar/task_watch.h"
#include "sidecar/token.h"
#include "sidecar/work_dir.h"

namespace mesh::sidecar {

namespace {

constexpr Duration kFlushAccessLogs = std::chrono::seconds(1);  // the last ones, when a server for them is slow
constexpr Duration kWaitForNames = std::chrono::seconds(10);    // from a control plane that may know of no such thing

}  // namespace

struct Sidecar::State : std::enable_shared_from_this<State> {
  State(Surroundings around_in, Settings settings_in, std::function<void(int)> on_exit_in)
      : around(std::move(around_in)),
        settings(std::move(settings_in)),
        on_exit(std::move(on_exit_in)),
        strand(around.loop.make_strand()),
        lifecycle(settings.stop_budget()) {}

  // --- before anything runs -------------------------------------------------------------------------------------

  Status prepare() {
    MESH_RETURN_IF_ERROR(check(settings));
    MESH_TRY(request.resource, load_proxy_resource(settings));
    MESH_TRY(envoy_path, find_envoy(settings.binary_path, around.search_path, around.own_program));
    MESH_RETURN_IF_ERROR(check_program(envoy_path));
    MESH_TRY(work_dir, WorkDir::open(settings.work_dir));
    MESH_RETURN_IF_ERROR(settings.auth_type == "aws" ? prepare_role_proof() : prepare_token());
    MESH_RETURN_IF_ERROR(prepare_tls());
    request.work_dir = work_dir->path();
    prepare_discovery();
    MESH_TRY(access_logs,
             AccessLogRelay::open(strand, around.clock,
                                  access_log_path(request.work_dir, request.resource.name, request.resource.mesh)));
    request.host = read_host_facts();
    auto listening = ReadinessServer::listen(around.loop, readiness_address(), settings.readiness_port);
    if (!listening)
      return with_context(std::move(listening).error(), "opening the readiness port (KUMA_READINESS_PORT)");
    readiness = std::move(*listening);
    return prepare_names();
  }

  void prepare_discovery() {
    if (!settings.carry_discovery) return;
    request.discovery_socket = DiscoveryCarrier::socket_in(request.work_dir);
    if (request.discovery_socket.empty())
      MESH_LOG_INFO("sidecar",
                    "Envoy has its own connection for discovery: the path of the work directory is too long "
                    "for a socket in it");
  }

  Status prepare_names() {
    if (settings.dns_enabled && !settings.bind_outbounds) {
      MESH_LOG_WARN("sidecar", "--dns-enabled does nothing without --bind-outbounds: names lead to where that listens");
    }
    if (!settings.serves_names()) return {};
    MESH_RETURN_IF_ERROR(NameFeed::check(work_dir->path()));
    const auto system = read_file("/etc/resolv.conf", 64UL << 10);
    ResolverSettings wanted{.port = settings.dns_port == 0 ? kDefaultDnsPort : settings.dns_port,
                            .upstream = system ? upstream_in(*system, Resolver::kAddress) : std::string()};
    auto listening = Resolver::listen(wanted, around.clock);
    if (!listening) return with_context(std::move(listening).error(), "opening the DNS port (--dns-proxy-port)");
    resolver = std::move(*listening);
    MESH_LOG_INFO("sidecar", "names of the mesh are served at {}:{}; others are {}", Resolver::kAddress,
                  resolver->port(), wanted.upstream.empty() ? "refused" : "asked of " + wanted.upstream);
    return {};
  }

  Status prepare_token() {
    if (settings.auth_type == "none") return {};
    if (!settings.token.empty()) {
      MESH_TRY(const Secret token, parse_token(settings.token.reveal(), "--dataplane-token"));
      MESH_TRY(request.token_path, work_dir->write_private("dataplane-token", token.reveal()));
    } else if (!settings.token_file.empty()) {
      request.token_path = settings.token_file;
    } else if (settings.auth_type == "dataplane-token") {
      return invalid("--auth-type",
                     "is dataplane-token, but neither --dataplane-token nor --dataplane-token-file is given");
    }
    if (!request.token_path.empty()) MESH_RETURN_IF_ERROR(read_token_file(request.token_path));
    return {};
  }

  Status prepare_role_proof() {
    aws::ChainNeeds needs{around.environment, {aws::fetch_over_network(), &around.clock, {}}};
    MESH_TRY(needs.caller.addresses, aws::Addresses::from(around.environment));
    aws::ProofClaims claims{.audience = audience_of(settings.cp_address),
                            .mesh = request.resource.mesh,
                            .name = request.resource.name,
                            .type = std::string(proxy_type_name(settings.proxy_type))};
    role_proof.emplace(std::move(needs), std::move(claims), [this](const Secret& proof) -> Status {
      MESH_RETURN_IF_ERROR(work_dir->write_private("aws-identity", proof.reveal()));
      return {};
    });
    MESH_RETURN_IF_ERROR(role_proof->sign_at_start(10));
    request.token_path = work_dir->path() + "/aws-identity";
    role_proof->keep_signing();
    return {};
  }

  // What proves who we are, as its file holds it now.
  static Result<Secret> read_credential(const std::string& path, bool is_role_proof) {
    if (!is_role_proof) return read_token_file(path);
    MESH_TRY(std::string proof, read_file(path, 64UL << 10));
    return Secret(std::move(proof));
  }

  Status prepare_tls() {
    request.ca_cert = settings.ca_cert;
    if (request.ca_cert.empty() && !settings.ca_cert_file.empty()) {
      auto pem = read_file(settings.ca_cert_file, 1UL << 20);
      if (!pem) return with_context(std::move(pem).error(), "reading --ca-cert-file");
      request.ca_cert = std::move(*pem);
    }
    if (!request.ca_cert.empty() && !request.ca_cert.contains("-----BEGIN CERTIFICATE-----")) {
      return invalid(settings.ca_cert.empty() ? "--ca-cert-file" : "KUMA_CONTROL_PLANE_CA_CERT",
                     "holds no PEM certificate");
    }
    tls.ca_pem = request.ca_cert;
    tls.skip_verify = settings.skip_verify;
    if (settings.skip_verify) {
      MESH_LOG_WARN("sidecar", "--skip-verify: whoever answers at {} is taken for the control plane",
                    settings.cp_address);
    }
    return {};
  }

  // Envoy's listener for readiness reaches us over loopback, in the family that the proxy has.
  std::string readiness_address() const {
    const auto& inbounds = request.resource.inbounds;
    return !inbounds.empty() && inbounds.front().address.contains(':') ? "::1" : "127.0.0.1";
  }

  // --- from the bootstrap to the start of Envoy -----------------------------------------------------------------

  void ask_for_bootstrap() {
    MESH_LOG_INFO("sidecar", "asking {} for the bootstrap of {} \"{}\"{}{}", settings.cp_address,
                  proxy_type_name(settings.proxy_type), request.resource.name,
                  request.resource.mesh.empty() ? "" : " in mesh \"" + request.resource.mesh + "\"",
                  request.envoy.version.empty() ? "" : " (Envoy " + request.envoy.version + ")");
    bootstrap_client.emplace(around.loop, strand, around.clock, settings, tls);
    bootstrap_client->start(
        [this]() -> Result<std::string> {  // lives in bootstrap_client, which we own
          if (!request.token_path.empty()) {
            MESH_TRY(request.token, read_credential(request.token_path, role_proof.has_value()));
          }
          return bootstrap_request_json(settings, request);
        },
        request.discovery_socket,
        [weak = weak_from_this()](Result<Bootstrap> bootstrap) {
          if (const auto self = weak.lock()) self->on_bootstrap(std::move(bootstrap));
        });
  }

  // Envoy takes as long to say its version as to start, so it is asked only when somebody needs it.
  void ask_version(std::function<void()> next) {
    auto output = std::make_shared<std::string>();
    ProcessEvents events;
    events.on_line = [output](const std::string& line) {
      if (output->size() < 4096) *output += line + "\n";
    };
    events.on_ended = [weak = weak_from_this(), output, next = std::move(next)](ProcessEnd end) {
      if (const auto self = weak.lock()) self->on_version(end, *output, next);
    };
    auto started = around.processes.start(envoy_path, {"--version"}, strand, std::move(events));
    if (!started) return give_up(std::move(started).error());
    version_process = std::move(*started);
  }

  void on_version(ProcessEnd end, const std::string& output, const std::function<void()>& next) {
    if (finished) return;
    if (end.as_exit_code() != 0) {
      return give_up(invalid("--binary-path",
                             envoy_path + " --version ended with " + end.to_string() + ": " + output.substr(0, 500)));
    }
    auto version = parse_envoy_version(output);
    if (!version) return give_up(std::move(version).error());
    request.envoy = std::move(*version);
    next();
  }

  void on_bootstrap(Result<Bootstrap> answer) {
    if (finished) return;
    if (!answer)
      return give_up(with_context(std::move(answer).error(), "getting the bootstrap from " + settings.cp_address));
    // A stock control plane knows of Envoy's version what we say of it; ours hears it from Envoy itself.
    if (request.envoy.version.empty() && !answer->needs_no_version) {
      return ask_version([this] { ask_for_bootstrap(); });
    }
    auto file = work_dir->write_private("bootstrap.yaml", answer->envoy_yaml);
    if (!file) return give_up(std::move(file).error());
    admin.emplace(around.loop, strand, *answer);
    probe.emplace(request.resource.inbounds);
    channel = wire::GrpcChannel::make(around.loop, {.url = settings.cp_address,
                                                    .tls = tls,
                                                    .connect_timeout = std::chrono::seconds(5),
                                                    .keepalive_interval = std::chrono::seconds(10),
                                                    .over = std::move(answer->connection)});
    if (answer->uses_discovery_socket) {
      auto listening = DiscoveryCarrier::listen(around.loop, request.discovery_socket, channel, credential_reader());
      if (!listening) return give_up(with_context(std::move(listening).error(), "opening the socket for discovery"));
      carrier = std::move(*listening);
      MESH_LOG_DEBUG("sidecar", "discovery of Envoy is carried, by {}", request.discovery_socket);
    }
    start_envoy(*file);
    if (resolver)
      names.emplace(around.loop, strand, work_dir->path(),
                    [this](MeshNames fresh) { resolver->set(std::move(fresh)); });  // we own both
  }

  // An application that starts after us finds the names that there are.
  std::string missing_names() {
    if (!names || names->has_names()) return {};
    const SteadyTime now = around.clock.steady();
    if (!names_due) names_due = now + kWaitForNames;
    if (now < *names_due) return "the names of the mesh have not come yet";
    if (!std::exchange(names_missed, true))
      MESH_LOG_WARN("sidecar", "the control plane has sent no names; the DNS server knows none");
    return {};
  }

  void start_envoy(const std::string& bootstrap_file) {
    // Whoever chose levels for Envoy wants to see what it says at them.
    if (!settings.envoy_log_level.empty() || !settings.envoy_component_log_level.empty()) {
      log::set_level("envoy", log::Level::Debug);
    }
    ProcessEvents events;
    events.on_line = [this_level = log::Level::Info](std::string line) mutable {
      if (auto parsed = parse_envoy_log(line)) {
        this_level = parsed->level;
        line = std::move(parsed->text);
      }
      MESH_LOG("envoy", this_level, "{}", without_tokens(std::move(line)));
    };
    events.on_ended = [weak = weak_from_this()](ProcessEnd end) {
      if (const auto self = weak.lock()) self->on_envoy_ended(end);
    };
    auto started =
        around.processes.start(envoy_path, envoy_arguments(settings, bootstrap_file), strand, std::move(events));
    if (!started) return give_up(std::move(started).error());
    envoy = std::move(*started);
    MESH_LOG_INFO("sidecar", "started {} as process {}", envoy_path, envoy->pid());
    carry_out(lifecycle.on_envoy_started());
    watch_task();
  }

  void on_envoy_ended(ProcessEnd end) {
    const bool may_be_something_else =
        !has_answered && request.envoy.version.empty() && lifecycle.standing() == Standing::Starting;
    if (!may_be_something_else) return carry_out(lifecycle.on_envoy_ended(end));
    // Who gave us something else than Envoy should read that, and not only how it ended.
    ask_version([this, end] { carry_out(lifecycle.on_envoy_ended(end)); });
  }

  void watch_task() {
    const std::string uri = around.environment.get("ECS_CONTAINER_METADATA_URI_V4");
    if (uri.empty()) return;
    std::vector<AppPort> apps = app_ports_of(request.resource);
    for (const AppPort& app : apps) silent_apps.push_back(app.inbound_port);
    task_watch.emplace(
        around.loop, strand, uri, std::move(apps),
        TaskWatchEvents{
            .on_stopping = [this] { carry_out(lifecycle.on_stop_announced()); },  // we own it
            .on_apps = [this](auto ports, std::string reason) { on_apps(std::move(ports), std::move(reason)); }});
    task_watch->start();
  }

  void on_apps(std::vector<std::uint32_t> ports, std::string reason) {
    if (finished) return;
    if (!reason.empty()) MESH_LOG_INFO("sidecar", "given to nobody yet: {}", reason);
    if (silent_apps == ports) return;
    silent_apps = std::move(ports);
    if (report && lifecycle.standing() != Standing::Leaving) tell(lifecycle.standing(), std::move(reason));
  }

  // --- while it runs --------------------------------------------------------------------------------------------

  void carry_out(Actions actions) {
    for (Action& action : actions) carry_out(action);
  }

  void carry_out(Action& action) {
    switch (action.kind) {
      case Action::Kind::Tell: tell(action.standing, std::move(action.text)); break;
      case Action::Kind::StartTimer: start_timer(action.timer, action.delay); break;
      case Action::Kind::StopTimer: timers.erase(action.timer); break;
      case Action::Kind::CheckEnvoy: check_envoy(action.number == 1); break;
      case Action::Kind::FailHealthChecks: admin->fail_health_checks(); break;
      case Action::Kind::DrainListeners: admin->drain_listeners(); break;
      case Action::Kind::CountConnections: count_connections(); break;
      case Action::Kind::SignalEnvoy:
        if (envoy) envoy->send_signal(action.number);
        break;
      case Action::Kind::Exit: finish(action.number); break;
      case Action::Kind::Say: MESH_LOG_INFO("sidecar", "{}", action.text); break;
    }
  }

  void start_timer(Timer timer, Duration delay) {
    timers.insert_or_assign(timer, strand.after(delay, [weak = weak_from_this(), timer] {
      if (const auto self = weak.lock(); self && !self->finished) self->carry_out(self->lifecycle.on_timer(timer));
    }));
  }

  void check_envoy(bool probe_inbounds) {
    admin->check_ready([weak = weak_from_this(), probe_inbounds](std::string problem, bool answered) {
      const auto self = weak.lock();
      if (!self || self->finished) return;
      self->has_answered |= answered;
      self->unavailable_ports.clear();
      if (problem.empty() && probe_inbounds) {
        for (const SocketAddress& closed : self->probe->find_closed()) {
          problem += (problem.empty() ? "no connections are taken yet at " : ", ") + closed.to_string();
          self->unavailable_ports.push_back(closed.port);
        }
      }
      if (problem.empty()) problem = self->missing_names();
      self->carry_out(self->lifecycle.on_check(problem, answered));
    });
  }

  void count_connections() {
    admin->count_active(request.resource.inbounds, [weak = weak_from_this()](long active) {
      if (const auto self = weak.lock(); self && !self->finished)
        self->carry_out(self->lifecycle.on_connections(active));
    });
  }

  void tell(Standing standing, std::string reason) {
    readiness->set(standing);
    if (!report) report.emplace(strand, report_settings(), report_events());
    std::vector<std::uint32_t> ports = unavailable_ports;
    ports.insert(ports.end(), silent_apps.begin(), silent_apps.end());
    report->tell(standing, std::move(reason), std::move(ports));
  }

  ReportSettings report_settings() {
    return {.cp_address = settings.cp_address,
            .channel = std::exchange(channel, nullptr),
            .mesh = request.resource.mesh,
            .name = request.resource.name,
            .proxy_type = settings.proxy_type,
            .read_token = credential_reader()};
  }

  std::function<Secret()> credential_reader() const {
    return [path = request.token_path, is_role_proof = role_proof.has_value()] {
      if (path.empty()) return Secret();
      auto token = read_credential(path, is_role_proof);
      if (!token) MESH_LOG_WARN("sidecar", "{}", token.error().message());
      return token ? std::move(*token) : Secret();
    };
  }

  ReportEvents report_events() {
    const auto on_lifecycle = [weak = weak_from_this()](auto event) {
      const auto self = weak.lock();
      if (self && !self->finished) self->carry_out(event(self->lifecycle));
    };
    return {
        .on_connected =
            [on_lifecycle](bool connected) {
              on_lifecycle([connected](Lifecycle& it) { return it.on_report_connected(connected); });
            },
        .on_not_supported = [on_lifecycle] { on_lifecycle([](Lifecycle& it) { return it.on_report_support(false); }); },
        .on_withdrawn = [on_lifecycle] { on_lifecycle([](Lifecycle& it) { return it.on_withdrawn(); }); }};
  }

  // --- the end --------------------------------------------------------------------------------------------------

  void give_up(const Error& problem) {
    MESH_LOG_ERROR("sidecar", "{}", problem.message());
    finish(1);
  }

  void finish(int exit_code) {
    if (std::exchange(finished, true)) return;
    timers.clear();
    task_watch.reset();
    names.reset();
    carrier.reset();
    if (!access_logs) return on_exit(exit_code);
    access_logs->flush(kFlushAccessLogs, [weak = weak_from_this(), exit_code] {
      if (const auto self = weak.lock()) self->on_exit(exit_code);
    });
  }

  void on_signal(int number) {
    if (finished) return;
    carry_out(number == SIGUSR2 ? lifecycle.on_drain_signal() : lifecycle.on_stop_signal(number));
  }

  Surroundings around;
  Settings settings;
  std::function<void(int)> on_exit;
  wire::Strand strand;
  Lifecycle lifecycle;
  BootstrapRequest request;
  wire::TlsClientSettings tls;
  std::string envoy_path;
  std::optional<WorkDir> work_dir;
  std::optional<RoleProof> role_proof;          // writes into work_dir
  std::unique_ptr<AccessLogRelay> access_logs;  // in work_dir too
  std::unique_ptr<ReadinessServer> readiness;
  std::unique_ptr<Process> version_process, envoy;
  std::optional<BootstrapClient> bootstrap_client;
  std::shared_ptr<wire::GrpcChannel> channel;  // begins with the bootstrap's connection; until the reports have it
  std::unique_ptr<DiscoveryCarrier> carrier;
  std::optional<EnvoyAdmin> admin;
  std::optional<InboundProbe> probe;
  std::unique_ptr<Resolver> resolver;
  std::optional<NameFeed> names;
  std::optional<SteadyTime> names_due;
  bool names_missed = false;
  std::optional<LifecycleReport> report;
  std::vector<std::uint32_t> unavailable_ports;  // where Envoy takes no connections
  std::vector<std::uint32_t> silent_apps;        // inbounds whose application takes none
  std::optional<TaskWatch> task_watch;
  std::map<Timer, wire::Timer> timers;
  bool has_answered = false;  // Envoy's admin interface
  bool finished = false;
};

Sidecar::Sidecar(Surroundings surroundings, Settings settings, std::function<void(int)> on_exit)
    : state_(std::make_shared<State>(std::move(surroundings), std::move(settings), std::move(on_exit))) {}

Sidecar::~Sidecar() = default;

Status Sidecar::start() {
  MESH_RETURN_IF_ERROR(state_->prepare());
  state_->strand.post([state = state_] { state->ask_for_bootstrap(); });
  return {};
}

void Sidecar::on_signal(int number) {
  state_->strand.post([state = state_, number] { state->on_signal(number); });
}

}  // namespace mesh::sidecar
