#include "policies/meshtimeout/mesh_timeout.h"

#include <fmt/format.h>

#include <algorithm>

#include "policy/validation.h"

namespace mesh {
namespace {

using Violations = std::vector<Violation>;

void validate_http(const HttpTimeouts& http, const std::string& path, Violations& violations) {
  if (!http.request_timeout && !http.stream_idle_timeout && !http.max_stream_duration &&
      !http.max_connection_duration && !http.request_headers_timeout) {
    violations.push_back({path, "must have at least one timeout"});
  }
  validate_not_negative(http.request_timeout, path + ".requestTimeout", violations);
  validate_not_negative(http.stream_idle_timeout, path + ".streamIdleTimeout", violations);
  validate_not_negative(http.max_stream_duration, path + ".maxStreamDuration", violations);
  validate_not_negative(http.max_connection_duration, path + ".maxConnectionDuration", violations);
  validate_not_negative(http.request_headers_timeout, path + ".requestHeadersTimeout", violations);
}

void must_be_absent(const std::optional<Duration>& timeout, const std::string& path, std::string_view why,
                    Violations& violations) {
  if (timeout) violations.push_back({path, fmt::format("cannot be set here: {}", why)});
}

void validate_conf(const TimeoutConf& conf, const std::string& path, TargetKind top, Violations& violations) {
  if (!conf.connection_timeout && !conf.idle_timeout && !conf.http) {
    violations.push_back({path, "must have at least one timeout"});
    return;
  }
  if (top == TargetKind::MeshHTTPRoute) {
    constexpr std::string_view kWhy = "a route has no connections of its own";
    must_be_absent(conf.connection_timeout, path + ".connectionTimeout", kWhy, violations);
    must_be_absent(conf.idle_timeout, path + ".idleTimeout", kWhy, violations);
    if (conf.http) {
      must_be_absent(conf.http->max_stream_duration, path + ".http.maxStreamDuration", kWhy, violations);
      must_be_absent(conf.http->max_connection_duration, path + ".http.maxConnectionDuration", kWhy, violations);
    }
  }
  validate_positive(conf.connection_timeout, path + ".connectionTimeout", violations);
  validate_not_negative(conf.idle_timeout, path + ".idleTimeout", violations);
  if (conf.http) validate_http(*conf.http, path + ".http", violations);
}

void validate_rule(const TimeoutRule& rule, const std::string& path, TargetKind top, Violations& violations) {
  bool by_caller = false;
  const auto matches = rule.matches.value_or(std::vector<Match>());
  for (std::size_t i = 0; i < matches.size(); ++i) {
    const std::string match_path = index_path(path + ".matches", i);
    validate_match(matches[i], match_path, violations);
    if (!matches[i].spiffe_id && !matches[i].sni) {
      violations.push_back({match_path, "must have at least one of 'spiffeID' and 'sni'"});
    }
    by_caller = by_caller || matches[i].spiffe_id.has_value();
  }
  if (by_caller) {
    constexpr std::string_view kWhy = "it cannot depend on who the caller is (matches has spiffeID)";
    const std::string conf = path + ".default";
    must_be_absent(rule.default_.connection_timeout, conf + ".connectionTimeout", kWhy, violations);
    must_be_absent(rule.default_.idle_timeout, conf + ".idleTimeout", kWhy, violations);
    if (const auto& http = rule.default_.http) {
      must_be_absent(http->request_headers_timeout, conf + ".http.requestHeadersTimeout", kWhy, violations);
      must_be_absent(http->max_stream_duration, conf + ".http.maxStreamDuration", kWhy, violations);
      must_be_absent(http->max_connection_duration, conf + ".http.maxConnectionDuration", kWhy, violations);
    }
  }
  validate_conf(rule.default_, path + ".default", top, violations);
}

void validate_items(const std::vector<TimeoutItem>& items, const std::string& path, const TargetRefRules& targets,
                    TargetKind top, Violations& violations) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string item = index_path(path, i);
    validate_target_ref(items[i].target_ref, item + ".targetRef", targets, violations);
    validate_conf(items[i].default_, item + ".default", top, violations);
  }
}

bool has_any(const auto& list) { return list && !list->empty(); }

void validate(const AnySpec& any, Violations& violations) {
  const auto& spec = *any.as<MeshTimeout>();
  const TargetKind top = spec.target_ref ? spec.target_ref->kind : TargetKind::Mesh;
  if (spec.target_ref) {
    validate_target_ref(
        *spec.target_ref, "spec.targetRef",
        {.kinds = {TargetKind::Mesh, TargetKind::MeshSubset, TargetKind::Dataplane, TargetKind::MeshGateway,
                   TargetKind::MeshService, TargetKind::MeshServiceSubset, TargetKind::MeshHTTPRoute},
         .section_name_on_dataplane = has_any(spec.from) || has_any(spec.rules),
         .gateway_tags = true},
        violations);
  }
  if (has_any(spec.rules) && (has_any(spec.to) || has_any(spec.from))) {
    violations.push_back({"spec", "'to' and 'from' must be empty when 'rules' is used"});
  }
  if (!has_any(spec.rules) && !has_any(spec.to) && !has_any(spec.from)) {
    violations.push_back({"spec", "must have at least one of 'from', 'to' and 'rules'"});
  }
  const bool narrow = top == TargetKind::MeshHTTPRoute || top == TargetKind::MeshGateway;
  if (has_any(spec.from)) {
    if (narrow)
      violations.push_back({"spec.from", "must not be set with this kind of targetRef"});
    else
      validate_items(*spec.from, "spec.from", {.kinds = {TargetKind::Mesh}}, top, violations);
  }
  if (has_any(spec.to)) {
    const TargetRefRules wide_targets{.kinds = {TargetKind::Mesh, TargetKind::MeshService,
                                                TargetKind::MeshExternalService, TargetKind::MeshMultiZoneService,
                                                TargetKind::MeshHTTPRoute}};
    const TargetRefRules narrow_targets{.kinds = {TargetKind::Mesh, TargetKind::MeshExternalService}};
    validate_items(*spec.to, "spec.to", narrow ? narrow_targets : wide_targets, top, violations);
  }
  if (has_any(spec.rules)) {
    for (std::size_t i = 0; i < spec.rules->size(); ++i) {
      validate_rule((*spec.rules)[i], index_path("spec.rules", i), top, violations);
    }
  }
}

void warn(const AnySpec& any, std::vector<std::string>& warnings) {
  const auto& spec = *any.as<MeshTimeout>();
  if (has_any(spec.from)) warnings.push_back("'from' is deprecated, use 'rules' instead");
  warn_of_deprecated_target(spec.target_ref, warnings);
}

Kind make_kind() {
  Kind kind = describe_kind<MeshTimeout>(
      {.name = "MeshTimeout",
       .path = "meshtimeouts",
       .short_name = "mt",
       .singular = "Mesh Timeout",
       .plural = "Mesh Timeouts",
       .is_policy = true,
       .policy = {.has_to = true, .has_from = true, .has_rules = true, .from_as_rules = true}});
  kind.validate = &validate;
  kind.warn = &warn;
  return kind;
}

Resource make_default(const std::string& mesh, const std::string& name, MeshTimeout spec) {
  Resource resource;
  resource.key = {&kMeshTimeoutKind, mesh, name};
  resource.spec = AnySpec::of(std::move(spec));
  return resource;
}

TargetRef all_of(ProxyType type) { return {.kind = TargetKind::Mesh, .proxy_types = std::vector{type}}; }

}  // namespace

const Kind kMeshTimeoutKind = make_kind();

std::vector<Resource> default_mesh_timeouts(const std::string& mesh) {
  using namespace std::chrono_literals;
  const TargetRef everyone;

  MeshTimeout sidecars;
  sidecars.target_ref = all_of(ProxyType::Sidecar);
  sidecars.to = {{everyone,
                  {.connection_timeout = 5s,
                   .idle_timeout = 1h,
                   .http = HttpTimeouts{.request_timeout = 15s, .stream_idle_timeout = 30min}}}};
  sidecars.from = {
      {everyone,
       {.connection_timeout = 10s,
        .idle_timeout = 2h,
        .http = HttpTimeouts{.request_timeout = 0s, .stream_idle_timeout = 1h, .max_stream_duration = 0s}}}};

  MeshTimeout gateways;
  gateways.target_ref = all_of(ProxyType::Gateway);
  gateways.to = {{everyone, {.idle_timeout = 1h, .http = HttpTimeouts{.stream_idle_timeout = 5s}}}};
  gateways.from = {
      {everyone,
       {.idle_timeout = 5min, .http = HttpTimeouts{.stream_idle_timeout = 5s, .request_headers_timeout = 500ms}}}};

  return {make_default(mesh, "mesh-gateways-timeout-all-" + mesh, std::move(gateways)),
          make_default(mesh, "mesh-timeout-all-" + mesh, std::move(sidecars))};
}

}  // namespace mesh
