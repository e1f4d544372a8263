// taskmesh-cp: the control plane of a mesh.
#include <CLI/CLI.hpp>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/version.h"
#include "cp/aws_secrets.h"
#include "cp/control_plane.h"
#include "cp/heap.h"
#include "cp/migrate.h"
#include "cp/route53.h"
#include "settings/control_plane.h"
#include "wire/event_loop.h"

namespace mesh {
namespace {

struct Options {
  std::string config_file;
  std::string log_level = "info";
  std::string log_format = "text";
  std::string log_output;
};

int fail(const std::string& what) {
  std::fprintf(stderr, "taskmesh-cp: %s\n", what.c_str());
  return 1;
}

Result<LoadedControlPlaneSettings> load(const Options& options) {
  std::string yaml;
  if (!options.config_file.empty()) {
    MESH_TRY(yaml, read_file(options.config_file));
  }
  auto loaded = load_control_plane_settings(yaml, process_environment());
  if (!loaded && !options.config_file.empty())
    return with_context(loaded.error(), "settings from " + options.config_file + " and the environment");
  return loaded;
}

// Each sidecar holds several connections, and systems give a program only 1,024 descriptors until it asks for more.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int exit_code(const Status& done) { return done ? 0 : fail(done.error().message()); }

int migrate(const Options& options, const std::function<Status(const settings::StoreSection&)>& what) {
  const Result<LoadedControlPlaneSettings> loaded = load(options);
  if (!loaded) return fail(loaded.error().message());
  return exit_code(what(loaded->settings.store));
}

int look_after_route53(const Options& options, Route53Command command, const std::vector<std::string>& zones) {
  const Result<LoadedControlPlaneSettings> loaded = load(options);
  if (!loaded) return fail(loaded.error().message());
  return exit_code(run_route53_command(loaded->settings, command, zones));
}

int run(const Options& options) {
  log::Settings logging;
  if (!log::parse_level(options.log_level, logging.level))
    return fail("--log-level: is \"" + options.log_level + "\"; may be debug, info, warn, error or off");
  logging.format = options.log_format == "json" ? log::Format::Json : log::Format::Text;
  logging.output_path = options.log_output;
  if (const Status set = log::set_up(logging); !set) return fail("--log-output-path: " + set.error().message());

  const Result<LoadedControlPlaneSettings> loaded = load(options);
  if (!loaded) return fail(loaded.error().message());
  for (const std::string& warning : loaded->warnings) MESH_LOG_WARN("settings", "{}", warning);
  const ControlPlaneSettings& settings = loaded->settings;

  raise_descriptor_limit();
  share_heaps();
  wire::EventLoop loop(2);
  std::promise<int> asked;
  loop.on_signals({SIGTERM, SIGINT}, [&asked, first = true](int number) mutable {
    if (std::exchange(first, false)) asked.set_value(number);
  });
  MESH_LOG_INFO("cp", "{} {} starts; store {}, zone \"{}\"", kProduct, kVersion, settings.store.type,
                settings.multizone.zone.name);
  Result<std::unique_ptr<ControlPlane>> control_plane = ControlPlane::start(settings, loop, real_clock());
  if (!control_plane) return fail("cannot start: " + control_plane.error().message());
  MESH_LOG_INFO("cp", "ready: REST on {}, sidecars on {}, diagnostics on {}", (*control_plane)->api_port(),
                (*control_plane)->sidecar_port(), (*control_plane)->diagnostics_port());
  const auto heap = std::make_shared<HeapTrim>(loop);
  heap->start();
  const int number = asked.get_future().get();
  MESH_LOG_INFO("cp", "stops: signal {}", number);
  (*control_plane)->stop(settings.dp_server.graceful_shutdown_timeout);
  return 0;
}

}  // namespace
}  // namespace mesh

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app("The control plane of a Taskmesh service mesh.", "taskmesh-cp");
  app.require_subcommand(1);
  mesh::Options options;
  const auto add_log_options = [&](CLI::App& command) {
    command.add_option("--log-level", options.log_level, "debug, info, warn, error or off")->capture_default_str();
    command.add_option("--log-format", options.log_format, "text or json")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
    command.add_option("--log-output-path", options.log_output, "a file to log to; standard error when empty");
  };
  add_log_options(app);
  app.fallthrough();
  CLI::App* run = app.add_subcommand("run", "Runs the control plane until it is told to stop (SIGTERM, Ctrl-C)");
  run->add_option("-c,--config-file", options.config_file, "settings (YAML); variables KUMA_* win over it");
  CLI::App* migrate =
      app.add_subcommand("migrate", "Looks after the schema of a PostgreSQL database (store.type postgres)");
  migrate->require_subcommand(1);
  migrate->add_option("-c,--config-file", options.config_file, "settings (YAML); variables KUMA_* win over it");
  CLI::App* up = migrate->add_subcommand("up", "Brings it to what this build needs. Any number may run at once");
  CLI::App* status = migrate->add_subcommand("status", "Says how far it is; fails when this build cannot work with it");
  CLI::App* import = migrate->add_subcommand(
      "import", "Takes over what another control plane keeps, before this one runs for the first time");
  bool from_kuma = false;
  std::string kuma_database;
  import->add_flag("--from-kuma", from_kuma, "the table `resources` of Kuma's control plane")->required();
  import->add_option("--kuma-db-name", kuma_database, "Kuma's database on the same server, when it is another one");
  CLI::App* names = app.add_subcommand("route53", "Looks after our records in Route 53's hosted zones");
  names->require_subcommand(1);
  names->add_option("-c,--config-file", options.config_file, "settings (YAML); variables KUMA_* win over it");
  std::vector<std::string> zones;
  names->add_option("--zone", zones, "another hosted zone, beside those that the settings and generators name");
  CLI::App* plan = names->add_subcommand("plan", "Shows what would be changed, and changes nothing")->fallthrough();
  CLI::App* sync =
      names->add_subcommand("sync", "Publishes what the store says, and withdraws what it does not")->fallthrough();
  CLI::App* purge =
      names
          ->add_subcommand("purge",
                           "Removes all our records, so that the zone can be deleted; stop the control planes first")
          ->fallthrough();
  CLI::App* secrets = app.add_subcommand("aws-secrets", "What a task of ECS keeps in Secrets Manager");
  secrets->require_subcommand(1);
  mesh::TlsSecret tls;
  CLI::App* prepare_tls =
      secrets->add_subcommand("tls", "Writes tls.crt and tls.key from a secret with certificate, key and ca");
  prepare_tls->add_option("--secret", tls.arn, "ARN of the secret")->required();
  prepare_tls->add_option("--ca-secret", tls.ca_arn, "ARN of the secret that gets ca alone, for sidecars");
  prepare_tls->add_option("--make-for", tls.host_names,
                          "host name; where the secret holds no certificate, one is made for these");
  prepare_tls->add_option("--dir", tls.directory, "where to write")->required();
  CLI::App* save_token = secrets->add_subcommand("admin-token", "Puts the administrator's token into a secret");
  std::string token_secret, api_url = "http://127.0.0.1:5681";
  save_token->add_option("--secret", token_secret, "ARN of the secret")->required();
  save_token->add_option("--api", api_url, "the control plane's REST API on this machine")->capture_default_str();
  CLI::App* version = app.add_subcommand("version", "Says which version this is");
  bool detailed = false;
  version->add_flag("-a,--detailed", detailed, "with the version of the interfaces that it has");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem);
  }
  if (*version) {
    std::printf("%s %s\n", mesh::kProduct, mesh::kVersion);
    if (detailed) std::printf("Interfaces of Kuma %s\n", mesh::kPeerVersion);
    return 0;
  }
  if (*up) return mesh::migrate(options, mesh::migrate_up);
  if (*status) return mesh::migrate(options, mesh::migrate_status);
  if (*plan) return mesh::look_after_route53(options, mesh::Route53Command::Plan, zones);
  if (*sync) return mesh::look_after_route53(options, mesh::Route53Command::Sync, zones);
  if (*purge) return mesh::look_after_route53(options, mesh::Route53Command::Purge, zones);
  if (*prepare_tls) return mesh::exit_code(mesh::run_prepare_tls(tls));
  if (*save_token) return mesh::exit_code(mesh::run_save_admin_token(api_url, token_secret));
  if (*import)
    return mesh::migrate(options, [&](const mesh::settings::StoreSection& store) {
      return mesh::migrate_from_kuma(store, kuma_database);
    });
  return mesh::run(options);
}
