#include "sidecar/settings.h"

#include <array>

namespace mesh::sidecar {

namespace {

bool is_envoy_level(std::string_view text) {
  constexpr std::array levels = {"", "trace", "debug", "info", "warning", "warn", "error", "critical", "off"};
  for (std::string_view level : levels) {
    if (text == level) return true;
  }
  return false;
}

}  // namespace

std::vector<std::string> Settings::features() const {
  std::vector<std::string> features;
  if (bind_outbounds) features.emplace_back("feature-bind-outbounds");
  if (serves_names()) features.emplace_back("feature-embedded-dns");
  if (delta_xds) features.emplace_back("feature-delta-grpc");
  if (unified_naming) features.emplace_back("feature-unified-resource-naming");
  if (strict_inbound_ports) features.emplace_back("feature-strict-inbound-ports");
  if (reuse_port) features.emplace_back("feature-reuse-port");
  return features;
}

Status check(const Settings& settings) {
  Error problems = invalid({}, "these settings cannot be used");
  auto complain = [&](std::string flag, std::string reason) {
    problems.violations.push_back({std::move(flag), std::move(reason)});
  };

  if (!settings.cp_address.starts_with("https://") && !settings.cp_address.starts_with("http://")) {
    complain("--cp-address", "is \"" + settings.cp_address + "\"; must be a URL such as https://localhost:5678");
  }
  const bool has_template = !settings.resource.empty() || !settings.resource_file.empty();
  if (!settings.resource.empty() && !settings.resource_file.empty()) {
    complain("--dataplane", "is given together with --dataplane-file; only one of them can be");
  }
  if (has_template && (!settings.name.empty() || !settings.mesh.empty())) {
    complain("--name", "and --mesh cannot be set together with a Dataplane definition, which has both");
  }
  if (!has_template) {
    if (settings.name.empty()) complain("--name", "must be set when no --dataplane-file and no --dataplane is given");
    if (settings.mesh.empty() && settings.proxy_type == ProxyRole::Dataplane) {
      complain("--mesh", "must be set when no --dataplane-file and no --dataplane is given");
    }
  }
  if (!settings.auth_type.empty() && settings.auth_type != "dataplane-token" && settings.auth_type != "aws" &&
      settings.auth_type != "none") {
    complain("--auth-type", "is \"" + settings.auth_type + "\"; may be aws, dataplane-token or none");
  }
  if (settings.auth_type == "aws") {
    // What proves our role must not be given to somebody who only says that he is the control plane.
    if (settings.skip_verify)
      complain(
          "--skip-verify",
          "cannot be used with --auth-type=aws: the proof of the role is for a control plane whose name was verified");
    if (!settings.cp_address.starts_with("https://"))
      complain("--cp-address", "is \"" + settings.cp_address + "\"; with --auth-type=aws it must begin with https://");
    if (!settings.token.empty() || !settings.token_file.empty())
      complain("--dataplane-token", "is given together with --auth-type=aws; only one of them can be");
  }
  if (settings.binary_path.empty()) complain("--binary-path", "must not be empty");
  if (settings.drain_time <= Duration::zero()) complain("--drain-time", "must be more than 0s");
  if (settings.retry_backoff <= Duration::zero()) complain("KUMA_CONTROL_PLANE_RETRY_BACKOFF", "must be more than 0s");
  if (settings.retry_max_duration <= Duration::zero()) {
    complain("KUMA_CONTROL_PLANE_RETRY_MAX_DURATION", "must be more than 0s");
  }
  if (settings.readiness_port == 0 || settings.readiness_port > 65535) {
    complain("KUMA_READINESS_PORT", "is " + std::to_string(settings.readiness_port) + "; must be 1 to 65535");
  }
  if (settings.dns_port > 65535) {
    complain("--dns-proxy-port", "is " + std::to_string(settings.dns_port) + "; must be 1 to 65535");
  }
  if (!is_envoy_level(settings.envoy_log_level)) {
    complain("--envoy-log-level",
             "is \"" + settings.envoy_log_level + "\"; may be trace, debug, info, warning, error, critical or off");
  }
  if (!problems.violations.empty()) return problems;
  return {};
}

}  // namespace mesh::sidecar
