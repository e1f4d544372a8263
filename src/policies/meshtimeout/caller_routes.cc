#include "policies/meshtimeout/caller_routes.h"

#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/set_filter_state/v3/set_filter_state.pb.h>

#include <algorithm>
#include <tuple>

#include "envoy/pack.h"

namespace mesh {
namespace {

using Rule = InboundRule<TimeoutConf>;
using ::envoy::config::route::v3::Route;
using ::envoy::config::route::v3::VirtualHost;
using FilterState = ::envoy::extensions::filters::network::set_filter_state::v3::Config;

constexpr const char* kCallerKey = "kuma.mesh_timeout.match.spiffe_id";
constexpr const char* kServerNameKey = "kuma.mesh_timeout.match.sni";

bool is_about_some_callers(const Rule& rule) {
  return rule.match && rule.match->spiffe_id && rule.conf.http &&
         (rule.conf.http->request_timeout || rule.conf.http->stream_idle_timeout);
}

// Larger is more specific: an exact caller, then longer prefixes; with a server name, then without.
std::tuple<int, std::size_t, int> specificity(const Match& match) {
  const bool exact = match.spiffe_id->type == SpiffeMatchType::Exact;
  return {exact ? 2 : 1, exact ? 0 : match.spiffe_id->value.size(), match.sni ? 1 : 0};
}

bool covers(const Match& wide, const Match& narrow) {
  const bool caller = wide.spiffe_id->type == SpiffeMatchType::Prefix
                          ? narrow.spiffe_id->value.starts_with(wide.spiffe_id->value)
                          : wide.spiffe_id == narrow.spiffe_id;
  return caller && (!wide.sni || wide.sni == narrow.sni);
}

// One rule per distinct match, with all that is said about its callers; the most specific first.
std::vector<Rule> effective_rules(std::vector<Rule> rules) {
  std::erase_if(rules, [](const Rule& rule) { return !is_about_some_callers(rule); });
  std::stable_sort(rules.begin(), rules.end(),
                   [](const Rule& a, const Rule& b) { return specificity(*a.match) < specificity(*b.match); });
  std::vector<Rule> effective;
  for (const Rule& rule : rules) {
    const bool known =
        std::any_of(effective.begin(), effective.end(), [&](const Rule& e) { return e.match == rule.match; });
    if (known) continue;
    Rule merged{rule.match, {}};
    for (const Rule& other : rules) {
      if (covers(*other.match, *rule.match)) merge_over(merged.conf, other.conf);
    }
    effective.push_back(std::move(merged));
  }
  std::reverse(effective.begin(), effective.end());
  return effective;
}

void keep(const char* key, const char* format, FilterState& filter) {
  auto& value = *filter.add_on_downstream_tls_handshake();
  value.set_object_key(key);
  value.set_factory_key("envoy.string");
  value.mutable_format_string()->mutable_text_format_source()->set_inline_string(format);
  value.set_skip_if_empty(true);
}

void match_caller(const Match& match, Route& route) {
  auto& caller = *route.mutable_match()->add_filter_state();
  caller.set_key(kCallerKey);
  if (match.spiffe_id->type == SpiffeMatchType::Exact)
    caller.mutable_string_match()->set_exact(match.spiffe_id->value);
  else
    caller.mutable_string_match()->set_prefix(match.spiffe_id->value);
  if (!match.sni) return;
  auto& server_name = *route.mutable_match()->add_filter_state();
  server_name.set_key(kServerNameKey);
  server_name.mutable_string_match()->set_exact(match.sni->value);
}

void put_before(const std::vector<Rule>& rules, VirtualHost& host) {
  const auto originals = host.routes();
  host.clear_routes();
  for (const Route& original : originals) {
    for (const Rule& rule : rules) {
      Route& route = *host.add_routes() = original;
      match_caller(*rule.match, route);
      const HttpTimeouts& http = *rule.conf.http;
      if (http.request_timeout) envoy::set_duration(route.mutable_route()->mutable_timeout(), *http.request_timeout);
      if (http.stream_idle_timeout)
        envoy::set_duration(route.mutable_route()->mutable_idle_timeout(), *http.stream_idle_timeout);
    }
    *host.add_routes() = original;
  }
}

}  // namespace

void add_caller_routes(const std::vector<Rule>& rules, envoy::ResourceSet& draft, envoy::Chain& chain) {
  if (chain.http == nullptr) return;
  const std::vector<Rule> effective = effective_rules(rules);
  if (effective.empty()) return;
  auto* filter = draft.make<FilterState>();
  keep(kCallerKey, "%DOWNSTREAM_PEER_URI_SAN%", *filter);
  if (std::any_of(effective.begin(), effective.end(), [](const Rule& rule) { return rule.match->sni.has_value(); })) {
    keep(kServerNameKey, "%REQUESTED_SERVER_NAME%", *filter);
  }
  chain.network_filters.insert(chain.network_filters.begin(), {"envoy.filters.network.set_filter_state", filter});
  for (auto& host : *chain.http->mutable_route_config()->mutable_virtual_hosts()) put_before(effective, host);
}

}  // namespace mesh
