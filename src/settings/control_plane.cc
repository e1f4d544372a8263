#include "settings/control_plane.h"

#include "model/json.h"
#include "model/rules.h"

namespace mesh {

// In control_plane_rules.cc.
std::span<const SettingRule> control_plane_rules();
std::span<const std::string_view> control_plane_settings_without_effect();

namespace {

SettingsDescription description() {
  return {type_info<ControlPlaneSettings>(), control_plane_rules(), control_plane_settings_without_effect()};
}

void use_if_empty(std::string& value, const std::string& other) {
  if (value.empty()) value = other;
}

// The certificate of `general` serves every port that has none of its own.
void share_certificate(const settings::General& general, std::string& certificate, std::string& key) {
  if (!certificate.empty() || !key.empty()) return;
  certificate = general.tls_cert_file;
  key = general.tls_key_file;
}

// What is set by an older name counts where the newer one was left alone.
void take_over_older_names(settings::DpServer& server) {
  const std::string& type = server.auth.type;
  if (!type.empty()) {
    if (server.authn.dp_proxy.type == settings::DpProxyAuthn().type) server.authn.dp_proxy.type = type;
    if (server.authn.zone_proxy.type == settings::ZoneProxyAuthn().type)
      server.authn.zone_proxy.type = type == "dpToken" ? "zoneToken" : type;
  }
  server.authn.enable_reloadable_tokens |= server.auth.use_token_path;
}

void fill_in(ControlPlaneSettings& settings, const Environment& environment) {
  take_over_older_names(settings.dp_server);
  const auto home = environment.find("HOME");
  use_if_empty(settings.general.work_dir,
               home == environment.end() || home->second.empty() ? ".taskmesh" : home->second + "/.taskmesh");
  use_if_empty(settings.store.sqlite.path, settings.general.work_dir + "/taskmesh.db");
  share_certificate(settings.general, settings.api_server.https.tls_cert_file, settings.api_server.https.tls_key_file);
  share_certificate(settings.general, settings.dp_server.tls_cert_file, settings.dp_server.tls_key_file);
  share_certificate(settings.general, settings.diagnostics.tls_cert_file, settings.diagnostics.tls_key_file);
}

// What no single value shows.
void check_together(const ControlPlaneSettings& settings, std::vector<Violation>& violations) {
  const auto both_or_none = [&](const std::string& certificate, const std::string& key, const std::string& path) {
    if (certificate.empty() != key.empty())
      violations.push_back({path + (certificate.empty() ? ".tlsCertFile" : ".tlsKeyFile"),
                            "is not set; a certificate and its key go together"});
  };
  both_or_none(settings.general.tls_cert_file, settings.general.tls_key_file, "general");
  if (violations.empty()) {  // else the others have the same half from there
    both_or_none(settings.api_server.https.tls_cert_file, settings.api_server.https.tls_key_file, "apiServer.https");
    both_or_none(settings.dp_server.tls_cert_file, settings.dp_server.tls_key_file, "dpServer");
    both_or_none(settings.diagnostics.tls_cert_file, settings.diagnostics.tls_key_file, "diagnostics");
  }
  const auto address = [&](const std::string& value, const std::string& path) {
    if (!is_ip_address(value))
      violations.push_back({path, "is \"" + value + "\"; must be an IP address to listen on, such as 0.0.0.0"});
  };
  address(settings.api_server.http.interface, "apiServer.http.interface");
  address(settings.api_server.https.interface, "apiServer.https.interface");
  if (settings.api_server.https.require_client_cert && settings.api_server.https.tls_ca_file.empty() &&
      settings.api_server.auth.client_certs_dir.empty())
    violations.push_back(
        {"apiServer.https.requireClientCert",
         "needs apiServer.https.tlsCaFile or apiServer.auth.clientCertsDir: what to verify clients against"});
  if (!settings.api_server.base_path.starts_with('/'))
    violations.push_back({"apiServer.basePath", "must begin with /"});
  if (!is_subdomain(settings.multizone.zone.name))
    violations.push_back({"multizone.zone.name", "is \"" + settings.multizone.zone.name +
                                                     "\"; must be of lower case letters, digits, '-' and '.'"});
}

}  // namespace

Result<LoadedControlPlaneSettings> load_control_plane_settings(std::string_view yaml, const Environment& environment) {
  LoadedControlPlaneSettings loaded;
  MESH_TRY(loaded.warnings, load_settings(description(), yaml, environment, &loaded.settings));
  fill_in(loaded.settings, environment);
  std::vector<Violation> violations;
  check_together(loaded.settings, violations);
  if (!violations.empty()) return Error{ErrorKind::Invalid, {}, "settings do not fit together", std::move(violations)};
  return loaded;
}

std::string config_json(const ControlPlaneSettings& settings) {
  return print_json(show_settings(description(), &settings), 1);
}

std::string control_plane_settings_reference() {
  const ControlPlaneSettings defaults;
  return R"(# Settings of the control plane

`taskmesh-cp run` reads a YAML file (`-c file.yaml`) and then the environment; a variable wins over the file. Names and
structure are those of Kuma 2.14, so that files and task definitions for it work here. Lists in variables are separated by
commas; durations are written like `5s`, `250ms` or `1h30m`.

A wrong value stops the start, and the message names the variable (or the path in the file), the value and what is
allowed. Variables that nobody knows are ignored; one that looks like a known one gets a warning. `GET /config` shows
what is in effect, with secrets masked.

```yaml
apiServer:
  http:
    port: 5681 # KUMA_API_SERVER_HTTP_PORT
multizone:
  zone:
    name: east # KUMA_MULTIZONE_ZONE_NAME
```

This page is made from the table in `src/settings/control_plane_rules.cc`; `MESH_GOLDEN=write` on `settings_test` writes
it anew.

)" + settings_reference(description(), &defaults);
}

}  // namespace mesh
