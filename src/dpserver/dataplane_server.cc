#include "dpserver/dataplane_server.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "admission/admission.h"
#include "base/log.h"
#include "dpserver/arrivals.h"
#include "dpserver/authenticator.h"
#include "dpserver/aws_authenticator.h"
#include "dpserver/gatekeeper.h"
#include "dpserver/health_stream.h"
#include "dpserver/lifecycle_stream.h"
#include "dpserver/live_streams.h"
#include "dpserver/server_keys.h"
#include "dpserver/workers.h"
#include "identity/server_certificate.h"
#include "wire/file_watch.h"

namespace mesh {
namespace {

constexpr const char* kHealthPath = "/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck";
constexpr Duration kDrainStep = std::chrono::milliseconds(50);
constexpr const char* kLifecyclePath = "/taskmesh.proxy.v1.ProxyLifecycle/Report";

// The names of our certificate, and those of the settings. A wildcard is no name: who proves something says the whole
// one.
std::set<std::string> audiences(const std::shared_ptr<const std::string>& certificate, std::set<std::string> out) {
  const auto names = certificate ? server_names_of(*certificate) : Result<ServerNames>(ServerNames());
  if (!names) return out;
  for (const auto* list : {&names->dns_names, &names->addresses}) {
    for (const std::string& name : *list) out.insert(aws::normal_audience(name));
  }
  return out;
}

using SharedAuthenticator = std::shared_ptr<const Authenticator>;

SharedAuthenticator make_authenticator(ProxyAuthentication kind, const DataplaneServerSettings& settings,
                                       const DataplaneServerNeeds& needs, const Published<std::string>& certificate) {
  if (kind == ProxyAuthentication::None) return std::make_shared<NoAuthenticator>();
  if (kind == ProxyAuthentication::AwsIam && settings.aws) {
    return std::make_shared<AwsAuthenticator>(
        settings.aws->authority, settings.aws->needs,
        [&certificate, more = settings.aws->audiences] { return audiences(certificate.get(), more); },
        settings.aws->recheck_interval);
  }
  return std::make_shared<TokenAuthenticator>(needs.secrets, needs.clock, settings.token_trusts, settings.zone);
}

wire::Response plain(int status, std::string text) {
  wire::Response response;
  response.status = status;
  response.headers.add("content-type", "text/plain; charset=utf-8");
  response.body = std::move(text);
  return response;
}

}  // namespace

struct DataplaneServer::Impl {
  Impl(DataplaneServerSettings settings_in, DataplaneServerNeeds needs_in)
      : settings(std::move(settings_in)),
        needs(needs_in),
        authenticator(make_authenticator(settings.authentication, settings, needs, certificate)),
        zone_authenticator(settings.zone_authentication == settings.authentication
                               ? authenticator
                               : make_authenticator(settings.zone_authentication, settings, needs, certificate)),
        gatekeeper(Authenticators(*authenticator, *zone_authenticator), needs.store, needs.admission, needs.kinds),
        workers(settings.workers, settings.aws ? settings.aws_workers : 0, settings.max_waiting),
        context(new StreamContext{gatekeeper, workers, arrivals, needs.liveness_sink, live}),
        ads(noted_sink,
            [this](const ProxyNode& node, const wire::Headers& headers, const wire::Peer& peer,
                   std::move_only_function<void(Status)> decided) {
              admit(node, headers, peer.address, std::move(decided));
            }),
        strand(needs.loop.make_strand()) {}

  void admit(const ProxyNode& node, const wire::Headers& headers, const std::string& source,
             std::move_only_function<void(Status)> decided) {
    // Shared, so that it can be answered when the workers do not take the task.
    auto decide = std::make_shared<std::move_only_function<void(Status)>>(std::move(decided));
    const bool taken =
        workers.of(gatekeeper.would_wait(node.id.type, headers)).run([this, node, headers, source, decide] {
          Status status = context->are_sent_elsewhere ? error(ErrorKind::Unavailable, sent_elsewhere().message)
                                                      : gatekeeper.let_in(node, headers, source);
          const bool is_in = status.has_value();
          (*decide)(std::move(status));
          if (!is_in) return;
          arrivals.announce(node.id);
          refresh_health_streams(node.id);
        });
    if (!taken) (*decide)(error(ErrorKind::Unavailable, "too many proxies connect at once; try again later"));
  }

  void refresh_health_streams(const ProxyId& proxy) {
    for (const auto& stream : health_streams->find(proxy)) stream->refresh();
  }

  wire::GrpcServices services() {
    wire::GrpcServices services;
    ads.add_services(services);
    if (settings.health_stream.enabled) {
      services[kHealthPath] = [this](std::shared_ptr<wire::GrpcStream> stream) {
        return receive_for(std::make_shared<HealthStream>(context, health_streams, std::move(stream),
                                                          settings.health_stream, settings.bootstrap.admin_port));
      };
    }
    services[kLifecyclePath] = [this](std::shared_ptr<wire::GrpcStream> stream) {
      return receive_for(std::make_shared<LifecycleStream>(context, std::move(stream)));
    };
    return services;
  }

  void handle(wire::Request request, wire::Respond respond) {
    if (request.path != "/bootstrap")
      return respond(plain(404, "there is nothing here but /bootstrap, for sidecars\n"));
    if (request.method != "POST") return respond(plain(405, "/bootstrap takes POST only\n"));
    bootstrap->handle(std::move(request), std::move(respond));
  }

  Result<wire::TlsServerSettings> load_tls() {
    MESH_TRY(ServerKeys keys, load_server_keys(key_files(), needs.clock));
    wire::TlsServerSettings tls;
    tls.certificate_pem = std::move(keys.certificate_pem);
    tls.key_pem = keys.key_pem.reveal();
    tls.min_version = settings.min_tls_version;
    tls.cipher_suites = settings.cipher_suites;
    return tls;
  }
  ServerKeyFiles key_files() const {
    return {settings.certificate_file, settings.key_file, settings.work_dir, settings.host_names};
  }

  Status listen() {
    const auto [certificate_path, key_path] = server_key_paths(key_files());
    watch = wire::watch_certificate(needs.loop, "the port for sidecars", {certificate_path, key_path},
                                    [this] { return reload_keys(); });
    MESH_TRY(wire::TlsServerSettings tls, load_tls());
    certificate.set(std::make_shared<const std::string>(tls.certificate_pem));

    wire::ServerSettings server_settings{
        .name = "dp-server", .address = settings.address, .port = settings.port, .limits = settings.limits};
    auto opened = wire::Server::listen_tls(
        needs.loop, std::move(server_settings), std::move(tls),
        [this](wire::Request request, wire::Respond respond) {
          if (!is_ready.load(std::memory_order_acquire)) return respond(plain(503, "starting\n"));
          handle(std::move(request), std::move(respond));
        },
        services());
    if (!opened)
      return with_context(std::move(opened).error(),
                          "opening the port for sidecars (dpServer.port, KUMA_DP_SERVER_PORT)");
    server = std::move(*opened);

    BootstrapParams params = settings.bootstrap;
    const auto port = static_cast<std::uint32_t>(server->port());
    if (params.xds_port == 0) params.xds_port = port;
    params.may_carry_discovery = params.xds_host.empty() && params.xds_port == port;
    params.health_checks = settings.health_stream.enabled;
    bootstrap.emplace(std::move(params), gatekeeper, needs.store, workers, certificate);
    is_ready.store(true, std::memory_order_release);
    watch->start();
    strand.post([this] { recheck_later(); });
    MESH_LOG_INFO("dpserver", "sidecars are served on {}:{}", settings.address, server->port());
    return {};
  }

  void recheck_later() {
    const Duration interval = std::max(authenticator->recheck_interval(), zone_authenticator->recheck_interval());
    if (interval == Duration::zero()) return;
    recheck_timer = strand.after(interval, [this] {
      // One round at a time: when AWS is slow, the next one waits.
      const bool taken = workers.of(settings.aws.has_value()).run([this] {
        recheck();
        strand.post([this] { recheck_later(); });
      });
      if (!taken) recheck_later();
    });
  }
  // GOAWAY to all at once, so that what is opened anew goes elsewhere; then their streams end at an even pace.
  void drain(Duration grace, std::function<void()> done) {
    noted_sink.say_nothing_of_leaving();
    context->are_sent_elsewhere = true;
    arrivals.announce_all();
    server->drain(grace);
    on_drained = std::move(done);
    drain_until = needs.clock.steady() + std::chrono::duration_cast<SteadyTime::duration>(grace);
    take_connected();
    const auto steps = std::max<std::int64_t>(1, grace * 3 / 4 / kDrainStep);
    leave_per_step = leaving.size() / static_cast<std::size_t>(steps) + 1;
    MESH_LOG_INFO("dpserver", "sends {} proxies to other control planes", leaving.size());
    drain_step();
  }
  void take_connected() {
    const auto connected = live.proxies();
    leaving.assign(connected.begin(), connected.end());
  }
  void drain_step() {
    if (leaving.empty()) take_connected();  // who was just being let in when this began
    for (std::size_t i = 0; i < leave_per_step && !leaving.empty(); ++i) {
      live.end_all(leaving.back(), sent_elsewhere());
      leaving.pop_back();
    }
    const bool all_left = leaving.empty() && live.empty() && server->connection_count() == 0;
    if (all_left || needs.clock.steady() >= drain_until) return on_drained();
    drain_timer = strand.after(kDrainStep, [this] { drain_step(); });
  }
  void recheck() {
    const auto connected = live.proxies();
    for (const ProxyId& proxy : connected) {
      const auto resource = gatekeeper.find_resource(proxy);
      if (!resource) continue;
      const Status allowed = gatekeeper.authenticator(proxy.type).recheck(*resource);
      if (allowed) continue;
      MESH_LOG_WARN("dpserver", "proxy {} is sent away: {}", proxy.node_id(), allowed.error().message());
      live.end_all(proxy, {grpc_code(allowed.error().kind), allowed.error().message().substr(0, 1024)});
    }
    authenticator->keep_only(connected);
    zone_authenticator->keep_only(connected);
  }

  Status reload_keys() {
    MESH_TRY(wire::TlsServerSettings tls, load_tls());
    MESH_RETURN_IF_ERROR(server->replace_tls(tls));
    certificate.set(std::make_shared<const std::string>(std::move(tls.certificate_pem)));
    return {};
  }

  const DataplaneServerSettings settings;
  const DataplaneServerNeeds needs;
  Published<std::string> certificate;                           // before the authenticator, which reads its names
  const SharedAuthenticator authenticator, zone_authenticator;  // often the same
  const Gatekeeper gatekeeper;
  Arrivals arrivals;
  LiveStreams live;
  NotedAdsSink noted_sink{needs.ads_sink, live,
                          [this](StreamId stream, const wire::GrpcStatus& status) { ads.close(stream, status); }};
  const std::shared_ptr<HealthStreams> health_streams = std::make_shared<HealthStreams>();
  std::optional<BootstrapService> bootstrap;  // before the workers, whose tasks use it
  WorkerGroups workers;
  const std::shared_ptr<StreamContext> context;
  AdsServer ads;
  wire::Strand strand;
  std::unique_ptr<wire::Server> server;
  std::unique_ptr<wire::FileWatch> watch;
  std::atomic<bool> is_ready = false;
  wire::Timer recheck_timer, drain_timer;
  std::vector<ProxyId> leaving;  // that have not been sent elsewhere yet
  std::size_t leave_per_step = 0;
  SteadyTime drain_until{};
  std::function<void()> on_drained;
};

DataplaneServer::DataplaneServer(DataplaneServerSettings settings, DataplaneServerNeeds needs)
    : impl_(std::make_unique<Impl>(std::move(settings), needs)) {}
DataplaneServer::~DataplaneServer() = default;

Status DataplaneServer::listen() { return impl_->listen(); }
int DataplaneServer::port() const { return impl_->server ? impl_->server->port() : 0; }
AdsServer& DataplaneServer::ads() { return impl_->ads; }
void DataplaneServer::on_dataplane_changed(const ProxyId& proxy) {
  impl_->arrivals.announce(proxy);  // its Envoy may have registered it at another control plane
  impl_->refresh_health_streams(proxy);
}
std::optional<AwsAuthorityCounts> DataplaneServer::aws_counts() const {
  for (const SharedAuthenticator& one : {impl_->authenticator, impl_->zone_authenticator}) {
    if (const auto* aws = dynamic_cast<const AwsAuthenticator*>(one.get())) return aws->counts();
  }
  return std::nullopt;
}
std::string DataplaneServer::certificate_pem() const {
  const auto pem = impl_->certificate.get();
  return pem ? *pem : std::string();
}
void DataplaneServer::drain(Duration grace, std::function<void()> done) {
  if (!impl_->server) return done();
  impl_->strand.post(
      [impl = impl_.get(), grace, done = std::move(done)]() mutable { impl->drain(grace, std::move(done)); });
}

}  // namespace mesh
