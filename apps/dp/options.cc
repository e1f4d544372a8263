#include "dp/options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/clock.h"

namespace mesh {

namespace {

Error bad(const std::string& value, const char* allowed) {
  return invalid({}, "is \"" + value + "\"; must be " + allowed);
}

Status set_text(std::string& target, const std::string& value) {
  target = value;
  return {};
}
Status set_bool(bool& target, const std::string& value) {
  if (value == "true" || value == "1" || value == "t" || value == "T" || value == "True" || value == "TRUE")
    return target = true, Status();
  if (value == "false" || value == "0" || value == "f" || value == "F" || value == "False" || value == "FALSE")
    return target = false, Status();
  return bad(value, "true or false");
}
Status set_duration(Duration& target, const std::string& value) {
  const auto duration = parse_duration(value);
  if (!duration) return bad(value, "a duration such as 30s or 1m30s");
  target = *duration;
  return {};
}
template <class Number>
Status set_number(Number& target, const std::string& value) {
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), target);
  if (problem != std::errc() || end != value.data() + value.size() || value.empty())
    return bad(value, "a whole number, not negative");
  return {};
}

// "a=1", or several: "a=1,b=2".
Status add_variables(std::map<std::string, std::string>& target, const std::string& value) {
  const auto equal_signs = std::count(value.begin(), value.end(), '=');
  std::string_view rest = value;
  while (true) {
    // One equal sign: the commas belong to the value.
    const auto end = equal_signs > 1 ? std::min(rest.find(','), rest.size()) : rest.size();
    const std::string_view pair = rest.substr(0, end);
    const auto equal = pair.find('=');
    if (equal == std::string_view::npos || equal == 0) return bad(std::string(pair), "name=value");
    target[std::string(pair.substr(0, equal))] = std::string(pair.substr(equal + 1));
    if (end == rest.size()) return {};
    rest.remove_prefix(end + 1);
  }
}

constexpr auto kNothing = [](RunTarget, const std::string&) { return Status(); };
constexpr const char* kNoDns = "the DNS server of this sidecar is set by --dns-enabled and --dns-proxy-port alone";
constexpr const char* kNoTransparentProxy =
    "ECS tasks cannot run a transparent proxy; use outbounds or --bind-outbounds";
constexpr const char* kNoRotation = "log files are not rotated by this program";

using T = RunTarget;
using V = const std::string&;
using K = OptionKind;

const auto kOptions = std::to_array<RunOption>({
    // control plane
    {"--cp-address", "KUMA_CONTROL_PLANE_URL", K::Value, "URL of the control plane's data plane port (https://localhost:5678)",
     [](T t, V v) { return set_text(t.settings.cp_address, v); }},
    {"--ca-cert-file", "KUMA_CONTROL_PLANE_CA_CERT_FILE", K::Value, "file with the CA that the control plane's certificate is checked against",
     [](T t, V v) { return set_text(t.settings.ca_cert_file, v); }},
    {"", "KUMA_CONTROL_PLANE_CA_CERT", K::Value, "the same CA itself, in PEM; wins over the file",
     [](T t, V v) { return set_text(t.settings.ca_cert, v); }},
    {"--skip-verify", "KUMA_CONTROL_PLANE_TLS_SKIP_VERIFY", K::Flag, "do not check the control plane's certificate (for trying things out only)",
     [](T t, V v) { return set_bool(t.settings.skip_verify, v); }},
    {"", "KUMA_CONTROL_PLANE_RETRY_BACKOFF", K::Value, "longest pause between two tries to reach the control plane (3s)",
     [](T t, V v) { return set_duration(t.settings.retry_backoff, v); }},
    {"", "KUMA_CONTROL_PLANE_RETRY_MAX_DURATION", K::Value, "how long to try (5m)",
     [](T t, V v) { return set_duration(t.settings.retry_max_duration, v); }},
    // who we are
    {"--name", "KUMA_DATAPLANE_NAME", K::Value, "name of the Dataplane, when no definition is given",
     [](T t, V v) { return set_text(t.settings.name, v); }},
    {"--mesh", "KUMA_DATAPLANE_MESH", K::Value, "its mesh", [](T t, V v) { return set_text(t.settings.mesh, v); }},
    {"--proxy-type", "KUMA_DATAPLANE_PROXY_TYPE", K::Value, "dataplane, ingress or egress (dataplane)",
     [](T t, V v) -> Status {
       const auto type = parse_proxy_type(v);
       if (!type) return bad(v, "dataplane, ingress or egress");
       t.settings.proxy_type = *type;
       return {};
     }},
    {"--dataplane", "KUMA_DATAPLANE_RUNTIME_RESOURCE", K::Value, "the Dataplane's definition: YAML or JSON, a template with {{ name }} placeholders",
     [](T t, V v) { return set_text(t.settings.resource, v); }},
    {"--dataplane-file,-d", "KUMA_DATAPLANE_RUNTIME_RESOURCE_PATH", K::Value, "the file with it; - is standard input",
     [](T t, V v) { return set_text(t.settings.resource_file, v); }},
    {"--dataplane-var,-v", "", K::Value, "name=value for a placeholder; may come often",
     [](T t, V v) { return add_variables(t.settings.resource_variables, v); }},
    {"--auth-type", "KUMA_DATAPLANE_AUTH_TYPE", K::Value, "aws (the IAM role of the ECS task), dataplane-token or none (the token, when there is one)",
     [](T t, V v) { return set_text(t.settings.auth_type, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_AUTH_TYPE", K::Value, "the same as KUMA_DATAPLANE_AUTH_TYPE",
     [](T t, V v) { return t.settings.auth_type.empty() ? set_text(t.settings.auth_type, v) : Status(); }},
    {"--dataplane-token", "KUMA_DATAPLANE_RUNTIME_TOKEN", K::Value, "the token that proves who this proxy is",
     [](T t, V v) { return t.settings.token = Secret(v), Status(); }},
    {"--dataplane-token-file", "KUMA_DATAPLANE_RUNTIME_TOKEN_PATH", K::Value, "the file with it",
     [](T t, V v) { return set_text(t.settings.token_file, v); }},
    // Envoy
    {"--binary-path", "KUMA_DATAPLANE_RUNTIME_BINARY_PATH", K::Value, "Envoy (envoy, looked for in PATH and beside this program)",
     [](T t, V v) { return set_text(t.settings.binary_path, v); }},
    {"--concurrency", "KUMA_DATAPLANE_RUNTIME_CONCURRENCY", K::Value, "Envoy's worker threads (one per core)",
     [](T t, V v) { return set_number(t.settings.concurrency, v); }},
    {"--drain-time", "KUMA_DATAPLANE_DRAIN_TIME", K::Value, "what the whole stop may take (30s, of which 28s are used: ECS kills at 30s)",
     [](T t, V v) { return set_duration(t.settings.drain_time, v); }},
    {"--work-dir", "KUMA_DATAPLANE_RUNTIME_WORK_DIR", K::Value, "where to keep Envoy's bootstrap and sockets (a temporary directory)",
     [](T t, V v) { return set_text(t.settings.work_dir, v); }},
    {"--config-dir", "KUMA_DATAPLANE_RUNTIME_CONFIG_DIR", K::Value, "the old name of --work-dir",
     [](T t, V v) { return t.settings.work_dir.empty() ? set_text(t.settings.work_dir, v) : Status(); }},
    {"--envoy-log-level", "KUMA_DATAPLANE_RUNTIME_ENVOY_LOG_LEVEL", K::Value, "trace, debug, info, warning, error, critical or off (as --log-level)",
     [](T t, V v) { return set_text(t.settings.envoy_log_level, v); }},
    {"--envoy-component-log-level", "KUMA_DATAPLANE_RUNTIME_ENVOY_COMPONENT_LOG_LEVEL", K::Value, "Envoy's --component-log-level",
     [](T t, V v) { return set_text(t.settings.envoy_component_log_level, v); }},
    {"--bind-outbounds", "KUMA_DATAPLANE_RUNTIME_BIND_OUTBOUNDS", K::Flag, "listen for every service of the mesh on its loopback address",
     [](T t, V v) { return set_bool(t.settings.bind_outbounds, v); }},
    {"--dns-enabled", "KUMA_DNS_ENABLED", K::Flag, "serve the names of the mesh on 127.0.0.1, with --bind-outbounds (off)",
     [](T t, V v) { return set_bool(t.settings.dns_enabled, v); }},
    {"--dns-proxy-port", "KUMA_DNS_PROXY_PORT", K::Value, "UDP port of that DNS server (15053)",
     [](T t, V v) { return set_number(t.settings.dns_port, v); }},
    {"--dns-coredns-port", "KUMA_DNS_CORE_DNS_PORT", K::Value, "the old name of --dns-proxy-port",
     [](T t, V v) { return t.settings.dns_port == 0 ? set_number(t.settings.dns_port, v) : Status(); }},
    {"--metrics-cert-path", "KUMA_DATAPLANE_RUNTIME_METRICS_CERT_PATH", K::Value, "certificate of the metrics listener",
     [](T t, V v) { return set_text(t.settings.metrics_cert_path, v); }},
    {"--metrics-key-path", "KUMA_DATAPLANE_RUNTIME_METRICS_KEY_PATH", K::Value, "its key",
     [](T t, V v) { return set_text(t.settings.metrics_key_path, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_ENVOY_XDS_TRANSPORT_PROTOCOL_VARIANT", K::Value, "DELTA_GRPC or GRPC (DELTA_GRPC)",
     [](T t, V v) -> Status {
       if (v != "DELTA_GRPC" && v != "GRPC" && !v.empty()) return bad(v, "DELTA_GRPC or GRPC");
       t.settings.delta_xds = v != "GRPC";
       return {};
     }},
    {"", "KMESH_DATAPLANE_CARRY_DISCOVERY", K::Value, "Envoy's discovery over this program's own connection (true)",
     [](T t, V v) { return set_bool(t.settings.carry_discovery, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_UNIFIED_RESOURCE_NAMING_ENABLED", K::Value, "the newer names of Envoy's resources",
     [](T t, V v) { return set_bool(t.settings.unified_naming, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_STRICT_INBOUND_PORTS_ENABLED", K::Value, "",
     [](T t, V v) { return set_bool(t.settings.strict_inbound_ports, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_REUSE_PORT_ENABLED", K::Value, "", [](T t, V v) { return set_bool(t.settings.reuse_port, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_IPV6_ENABLED", K::Value, "", [](T t, V v) { return set_bool(t.settings.ipv6, v); }},
    {"", "KUMA_DATAPLANE_RUNTIME_DYNAMIC_SYSTEM_CA_PATH", K::Value, "", [](T t, V v) { return set_text(t.settings.system_ca_path, v); }},
    {"", "KUMA_DATAPLANE_RESOURCES_MAX_MEMORY_BYTES", K::Value, "", [](T t, V v) { return set_number(t.settings.max_memory_bytes, v); }},
    {"", "KUMA_READINESS_PORT", K::Value, "port of /ready (9902)", [](T t, V v) { return set_number(t.settings.readiness_port, v); }},
    {"", "HOST_IP", K::Value, "", [](T t, V v) { return t.settings.dynamic_metadata["HOST_IP"] = v, Status(); }},
    // logs
    {"--log-level", "KUMA_LOG_LEVEL", K::Value, "debug, info, warn, error or off (info)",
     [](T t, V v) -> Status {
       if (!log::parse_level(v, t.log.level)) return bad(v, "debug, info, warn, error or off");
       t.settings.log_level = t.log.level;
       return {};
     }},
    {"--log-format", "KUMA_LOG_FORMAT", K::Value, "text or json (text)",
     [](T t, V v) -> Status {
       if (v != "text" && v != "json") return bad(v, "text or json");
       t.log.format = v == "json" ? log::Format::Json : log::Format::Text;
       return {};
     }},
    {"--log-output-path", "", K::Value, "file for the log (standard error)", [](T t, V v) { return set_text(t.log.output_path, v); }},
    // accepted, because commands that are written for the peer have them
    {"--log-max-retained-files", "", K::Ignored, kNoRotation, kNothing},
    {"--log-max-size", "", K::Ignored, kNoRotation, kNothing},
    {"--log-max-age", "", K::Ignored, kNoRotation, kNothing},
    {"--dns-enable-logging", "KUMA_DNS_ENABLE_LOGGING", K::IgnoredFlag, kNoDns, kNothing},
    {"--dns-envoy-port", "KUMA_DNS_ENVOY_DNS_PORT", K::Ignored, kNoDns, kNothing},
    {"--dns-coredns-path", "KUMA_DNS_CORE_DNS_BINARY_PATH", K::Ignored, kNoDns, kNothing},
    {"--dns-coredns-config-template-path", "KUMA_DNS_CORE_DNS_CONFIG_TEMPLATE_PATH", K::Ignored, kNoDns, kNothing},
    {"--dns-server-config-dir", "KUMA_DNS_CONFIG_DIR", K::Ignored, kNoDns, kNothing},
    {"--dns-prometheus-port", "KUMA_DNS_PROMETHEUS_PORT", K::Ignored, kNoDns, kNothing},
    {"--transparent-proxy", "", K::IgnoredFlag, kNoTransparentProxy, kNothing},
    {"--transparent-proxy-config", "KUMA_DATAPLANE_RUNTIME_TRANSPARENT_PROXY", K::Ignored, kNoTransparentProxy, kNothing},
});

}  // namespace

std::span<const RunOption> run_options() { return kOptions; }

}  // namespace mesh
