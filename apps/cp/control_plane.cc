#include "cp/control_plane.h"

#include <atomic>
#include <filesystem>
#include <future>
#include <utility>

#include "admission/bootstrap_defaults.h"
#include "admission/removal.h"
#include "api/api_server.h"
#include "api/proxy_config_source.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config_json.h"
#include "controllers/service_names.h"
#include "cp/diagnostics.h"
#include "cp/metrics.h"
#include "cp/open_store.h"
#include "cp/room_settings.h"
#include "cp/route53.h"
#include "dpserver/server_keys.h"
#include "dpserver/workers.h"
#include "model/builtin.h"
#include "pipeline/last_seen_store.h"
#include "policies/all.h"
#include "policies/meshtrafficpermission/mesh_traffic_permission.h"
#include "policies/meshtrafficpermission/reach.h"
#include "policy/matching.h"
#include "store/secrets.h"
#include "wire/file_watch.h"

namespace mesh {
namespace {

// Does this policy concern this Dataplane? The kinds say; a permission concerns also those who may call by it, where
// their outbounds follow permissions.
Selects selects_by(std::vector<const Policy*> policies, bool trims_outbounds) {
  return [policies = std::move(policies), trims_outbounds](const Resource& policy, const Resource& dataplane) {
    if (trims_outbounds && policy.key.kind == &kMeshTrafficPermissionKind) return true;
    for (const Policy* kind : policies)
      if (kind->kind().name == policy.key.kind->name) return concerns(*kind, policy, dataplane);
    return true;
  };
}

class PipelineConfigs final : public ProxyConfigSource {
 public:
  explicit PipelineConfigs(const Pipeline& pipeline) : pipeline_(pipeline) {}
  Result<std::string> config_json(const ProxyId& id) const override {
    const std::shared_ptr<Proxy> proxy = pipeline_.find(id);
    Built built;
    if (proxy) {
      std::lock_guard lock(proxy->mutex);
      built = proxy->built;
    }
    if (!built.config)
      return error(ErrorKind::NotFound, "no configuration was made for proxy " + id.node_id() + " yet");
    return mesh::config_json(*built.config, built.secrets);
  }

 private:
  const Pipeline& pipeline_;
};

// A name in Route 53 waits so long for a proxy that does not take its listeners.
constexpr Duration kListenersLimit = std::chrono::seconds(2);

}  // namespace

struct ControlPlane::Rooms {
  Rooms(const ControlPlaneSettings& given, wire::EventLoop& given_loop, const Clock& given_clock)
      : settings(given), loop(given_loop), clock(given_clock) {}

  Status start();
  Status start_diagnostics();
  Status start_api();
  std::optional<AwsFigures> aws_figures() const;

  const ControlPlaneSettings settings;
  wire::EventLoop& loop;
  const Clock& clock;
  const std::string instance_id = make_uuid();
  std::atomic<bool> is_ready{false};

  KindRegistry kinds;
  std::unique_ptr<Store> store;
  std::unique_ptr<Leadership> leadership;
  std::unique_ptr<StoreSecrets> secrets;
  std::unique_ptr<Admission> admission;
  std::unique_ptr<TokenIssuer> issuer;
  std::unique_ptr<TokenVerifier> verifier;
  std::unique_ptr<ConfigBuilder> builder;
  std::unique_ptr<InsightWriter> insights;
  std::unique_ptr<DataplaneCleanup> cleanup;
  std::unique_ptr<Pipeline> pipeline;
  std::unique_ptr<ServiceNames> names;
  std::optional<Route53Parts> route53_parts;
  std::unique_ptr<Route53Controller> route53;
  // What the port for sidecars asks: it goes on when the database is away.
  std::unique_ptr<LastSeenStore> last_seen;
  std::unique_ptr<StoreSecrets> sidecar_secrets;
  std::unique_ptr<Admission> sidecar_admission;
  std::unique_ptr<DataplaneServer> sidecars;
  std::shared_ptr<aws::CallCounters> aws_calls;  // null: AWS is not asked who proxies are
  std::unique_ptr<PipelineConfigs> configs;
  std::unique_ptr<ApiServer> api;
  std::unique_ptr<Diagnostics> diagnostics;
  Workers figures_worker{1, 100};
  std::unique_ptr<wire::Server> diagnostics_server;
  std::unique_ptr<wire::FileWatch> api_files, diagnostics_files;
};

Status ControlPlane::Rooms::start() {
  add_builtin_kinds(kinds);
  add_policy_kinds(kinds);
  std::error_code problem;
  std::filesystem::create_directories(settings.general.work_dir, problem);
  if (problem)
    return error(ErrorKind::Unavailable, "general.workDir (KUMA_GENERAL_WORK_DIR): cannot make the folder " +
                                             settings.general.work_dir + ": " + problem.message());
  MESH_TRY(NamingSettings naming, naming_settings(settings));
  MESH_TRY(TokenTrusts trusts, token_trusts(settings));
  MESH_TRY(DataplaneServerSettings sidecar_settings, dataplane_server_settings(settings, trusts));
  if (sidecar_settings.authentication == ProxyAuthentication::AwsIam ||
      sidecar_settings.zone_authentication == ProxyAuthentication::AwsIam) {
    MESH_TRY(sidecar_settings.aws, aws_door_settings(settings, process_environment(), clock));
  }

  if (sidecar_settings.aws) aws_calls = sidecar_settings.aws->needs.caller.counters;
  MESH_RETURN_IF_ERROR(start_diagnostics());  // first: it says that we are there, and not ready
  MESH_TRY(OpenedStore opened, open_store(settings.store, kinds, instance_id, [this] {
             if (pipeline) pipeline->on_others(leadership->others());
             if (names) names->on_leader_changed();
           }));
  store = std::move(opened.store);
  leadership = std::move(opened.leadership);
  secrets = std::make_unique<StoreSecrets>(*store);
  admission = std::make_unique<Admission>(*store, kinds, admission_settings(settings), clock);
  MESH_RETURN_IF_ERROR(ensure_defaults(*store, *admission, bootstrap_settings(settings), clock));
  issuer = std::make_unique<TokenIssuer>(*secrets, clock);
  verifier = std::make_unique<TokenVerifier>(*secrets, clock, std::move(trusts));

  const bool trims_outbounds = settings.experimental.auto_reachable_services;
  OutboundSettings outbounds{.service_vip_port = static_cast<std::uint32_t>(settings.dns_server.service_vip_port),
                             .dns_domain = settings.dns_server.domain};
  if (trims_outbounds) outbounds.may_call = &may_call;
  builder = std::make_unique<ConfigBuilder>(settings.multizone.zone.name, all_policies(), std::move(outbounds));
  const auto leads = [this] { return leadership->is_leader(); };
  InsightWriterSettings insight_writer = insight_settings(settings, instance_id);
  insight_writer.others = [this] { return leadership->others(); };
  insight_writer.leads = leads;
  insights = std::make_unique<InsightWriter>(std::move(insight_writer), *store, clock);
  cleanup = std::make_unique<DataplaneCleanup>(
      offline_settings(settings), *store,
      [this](const std::vector<ResourceKey>& keys) { return remove_proxies(leadership->store(), keys); }, clock, leads);
  pipeline = std::make_unique<Pipeline>(
      pipeline_settings(settings, instance_id),
      PipelineNeeds{*store, *secrets, BuildsConfig::with(*builder), selects_by(all_policies(), trims_outbounds),
                    *insights, *cleanup, clock});
  names = std::make_unique<ServiceNames>(std::move(naming), leadership->store(), clock, leads);
  MESH_TRY(route53_parts, mesh::route53_parts(settings, process_environment(), clock, instance_id, store->id()));
  if (route53_parts) {
    route53 = std::make_unique<Route53Controller>(
        route53_parts->names, route53_parts->publisher,
        Route53Controller::Needs{*route53_parts->api, leadership->store(), clock, leads,
                                 [this] { return leadership->term(); },
                                 [this](const std::string& mesh, Revision upto, std::move_only_function<void()> done) {
                                   pipeline->when_listeners_are_out(mesh, upto, kListenersLimit, std::move(done));
                                 }});
  }
  last_seen = std::make_unique<LastSeenStore>(*store, [this] { return pipeline->snapshot(); });
  sidecar_secrets = std::make_unique<StoreSecrets>(*last_seen);
  sidecar_admission = std::make_unique<Admission>(*last_seen, kinds, admission_settings(settings), clock);
  sidecars = std::make_unique<DataplaneServer>(
      std::move(sidecar_settings), DataplaneServerNeeds{loop, *last_seen, *sidecar_admission, kinds, *sidecar_secrets,
                                                        clock, pipeline->ads_sink(), pipeline->liveness_sink()});
  pipeline->connect({[this](StreamId stream, Offer offer) { sidecars->ads().offer(stream, std::move(offer)); },
                     [this](const ProxyId& proxy) { sidecars->on_dataplane_changed(proxy); }});
  pipeline->on_others(leadership->others());
  MESH_RETURN_IF_ERROR(cleanup->load());
  MESH_RETURN_IF_ERROR(pipeline->load());
  insights->start();
  cleanup->start();
  pipeline->start();
  names->start();
  if (route53) route53->start();
  opened.watch();
  MESH_RETURN_IF_ERROR(sidecars->listen());
  MESH_RETURN_IF_ERROR(start_api());
  is_ready = true;
  return {};
}

Status ControlPlane::Rooms::start_diagnostics() {
  diagnostics = std::make_unique<Diagnostics>(
      [this] { return is_ready.load(); },
      [this] {
        return is_ready ? metrics_text(*pipeline, *store, kinds, aws_figures(), names->figures(),
                                       route53 ? std::optional(route53->figures()) : std::nullopt)
                        : "";
      });
  // Figures ask the store, which may take its time: neither the threads that serve sockets nor whoever asks whether we
  // are there must wait for it.
  const wire::Handler handler = [this](wire::Request request, wire::Respond respond) {
    if (request.path != "/metrics") return respond(diagnostics->answer(request));
    auto answer_to = std::make_shared<wire::Respond>(std::move(respond));
    const bool taken = figures_worker.run(
        [this, request = std::move(request), answer_to] { (*answer_to)(diagnostics->answer(request)); });
    if (taken) return;
    wire::Response busy;
    busy.status = 503;
    (*answer_to)(std::move(busy));
  };
  wire::ServerSettings server{
      .name = "diagnostics", .address = "0.0.0.0", .port = settings.diagnostics.server_port, .limits = {}};
  Result<std::unique_ptr<wire::Server>> started;
  if (settings.diagnostics.tls_enabled) {
    diagnostics_files = wire::watch_certificate(loop, "the diagnostics port", diagnostics_certificate_files(settings),
                                                [this]() -> Status {
                                                  MESH_TRY(wire::TlsServerSettings tls, diagnostics_tls(settings));
                                                  return diagnostics_server->replace_tls(std::move(tls));
                                                });
    MESH_TRY(wire::TlsServerSettings tls, diagnostics_tls(settings));
    started = wire::Server::listen_tls(loop, std::move(server), std::move(tls), handler);
  } else {
    started = wire::Server::listen(loop, std::move(server), handler);
  }
  if (!started) return with_context(started.error(), "diagnostics.serverPort (KUMA_DIAGNOSTICS_SERVER_PORT)");
  diagnostics_server = *std::move(started);
  if (diagnostics_files) diagnostics_files->start();
  return {};
}

std::optional<AwsFigures> ControlPlane::Rooms::aws_figures() const {
  const auto counts = sidecars ? sidecars->aws_counts() : std::nullopt;
  if (!counts || !aws_calls) return std::nullopt;
  return AwsFigures{aws_calls->operations(), *counts};
}

Status ControlPlane::Rooms::start_api() {
  configs = std::make_unique<PipelineConfigs>(*pipeline);
  if (settings.api_server.https.enabled) {
    api_files = wire::watch_certificate(loop, "the REST port", api_certificate_files(settings), [this]() -> Status {
      MESH_TRY(ApiListeners listeners, api_listeners(settings));
      return api->replace_tls(std::move(listeners.tls));
    });
  }
  MESH_TRY(ApiListeners listeners, api_listeners(settings));
  MESH_TRY(api, ApiServer::start(
                    loop, ApiParts{*store, *admission, kinds, *issuer, *verifier, configs.get(), clock, policies_for},
                    api_settings(settings, instance_id), std::move(listeners)));
  if (api_files) api_files->start();
  return {};
}

Result<std::unique_ptr<ControlPlane>> ControlPlane::start(const ControlPlaneSettings& settings, wire::EventLoop& loop,
                                                          const Clock& clock) {
  std::unique_ptr<ControlPlane> out(new ControlPlane(std::make_unique<Rooms>(settings, loop, clock)));
  Status started = out->rooms_->start();
  if (started) return out;
  out->stop(Duration::zero());
  return std::move(started).error();
}

ControlPlane::ControlPlane(std::unique_ptr<Rooms> rooms) : rooms_(std::move(rooms)) {}
ControlPlane::~ControlPlane() = default;

void ControlPlane::stop(Duration grace) {
  Rooms& rooms = *rooms_;
  rooms.is_ready = false;
  const bool are_there_others = rooms.leadership && !rooms.leadership->others().empty();
  if (rooms.route53) rooms.route53->stop();
  if (rooms.names) rooms.names->stop();
  if (rooms.leadership) rooms.leadership->step_down();  // one of them may lead at once
  if (rooms.api) rooms.api->drain(grace);
  if (rooms.sidecars && are_there_others && grace > Duration::zero()) {
    // Changes still reach those who have not left yet.
    auto drained = std::make_shared<std::promise<void>>();
    rooms.sidecars->drain(grace, [drained] { drained->set_value(); });
    drained->get_future().wait_for(grace * 2);
  }
  if (rooms.leadership) rooms.leadership->stop();
  if (rooms.pipeline) rooms.pipeline->stop();
  rooms.loop.stop();
  rooms.loop.wait();
}

int ControlPlane::api_port() const { return rooms_->api->http_port(); }
int ControlPlane::sidecar_port() const { return rooms_->sidecars->port(); }
int ControlPlane::diagnostics_port() const { return rooms_->diagnostics_server->port(); }
Store& ControlPlane::store() { return *rooms_->store; }
Pipeline& ControlPlane::pipeline() { return *rooms_->pipeline; }

}  // namespace mesh
