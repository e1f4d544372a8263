#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>

#include "envoy/pack.h"
#include "policies/meshtimeout/caller_routes.h"
#include "policies/meshtimeout/mesh_timeout.h"
#include "policy/matching.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using envoy::set_duration;

// What holds where no policy says anything: documented defaults of this kind.
constexpr Duration kConnectionTimeout = 5s, kIdleTimeout = 1h, kRequestTimeout = 15s, kStreamIdleTimeout = 30min;
constexpr Duration kNever = Duration::zero();

void apply_to_chain(const TimeoutConf& conf, envoy::Chain& chain) {
  const HttpTimeouts http = conf.http.value_or(HttpTimeouts());
  if (chain.tcp != nullptr) set_duration(chain.tcp->mutable_idle_timeout(), conf.idle_timeout.value_or(kIdleTimeout));
  if (chain.http == nullptr) return;
  set_duration(chain.http->mutable_request_headers_timeout(), http.request_headers_timeout.value_or(kNever));
  // Idle connections are closed by the side that opened them: the timeout is on the clusters.
  set_duration(chain.http->mutable_common_http_protocol_options()->mutable_idle_timeout(), kNever);
  for (auto& host : *chain.http->mutable_route_config()->mutable_virtual_hosts()) {
    for (auto& route : *host.mutable_routes()) {
      set_duration(route.mutable_route()->mutable_timeout(), http.request_timeout.value_or(kRequestTimeout));
      set_duration(route.mutable_route()->mutable_idle_timeout(),
                   http.stream_idle_timeout.value_or(kStreamIdleTimeout));
    }
  }
}

void apply_to_cluster(const TimeoutConf& conf, envoy::ResourceSet& draft, envoy::ClusterDraft& cluster) {
  const HttpTimeouts http = conf.http.value_or(HttpTimeouts());
  set_duration(cluster.shell->mutable_connect_timeout(), conf.connection_timeout.value_or(kConnectionTimeout));
  if (!envoy::is_http(cluster.protocol)) return;
  if (cluster.http == nullptr) cluster.http = draft.make<envoy::proto::HttpProtocolOptions>();
  auto& options = *cluster.http->mutable_common_http_protocol_options();
  set_duration(options.mutable_idle_timeout(), conf.idle_timeout.value_or(kIdleTimeout));
  set_duration(options.mutable_max_connection_duration(), http.max_connection_duration.value_or(kNever));
  set_duration(options.mutable_max_stream_duration(), http.max_stream_duration.value_or(kNever));
}

using MatchedTimeouts = std::vector<Matched<MeshTimeout>>;

void apply_to_inbound(const MatchedTimeouts& policies, envoy::ResourceSet& draft, envoy::ListenerDraft& listener) {
  const auto rules = inbound_rules<TimeoutConf>(policies, listener.inbound);
  const auto for_all = conf_for_all_callers(rules);
  for (envoy::Chain& chain : listener.chains) {
    if (for_all || rules.empty()) apply_to_chain(for_all.value_or(TimeoutConf()), chain);
    if (chain.is_mesh_tls) add_caller_routes(rules, draft, chain);
  }
  for (envoy::ClusterDraft& cluster : draft.clusters()) {
    if (cluster.role == envoy::Role::Inbound && cluster.inbound == listener.inbound && (for_all || rules.empty())) {
      apply_to_cluster(for_all.value_or(TimeoutConf()), draft, cluster);
    }
  }
}

class MeshTimeoutPolicy final : public Policy {
 public:
  const Kind& kind() const override { return kMeshTimeoutKind; }

  const TargetRef* target_of(const Resource& policy) const override { return target_in<MeshTimeout>(policy); }

  void apply(const ProxyContext& proxy, envoy::ResourceSet& draft) const override {
    const auto policies = matched_policies<MeshTimeout>(proxy, kMeshTimeoutKind);
    for (envoy::ListenerDraft& listener : draft.listeners()) {
      if (listener.role == envoy::Role::Inbound) apply_to_inbound(policies, draft, listener);
      if (listener.role != envoy::Role::Outbound) continue;
      const TimeoutConf conf = conf_to_draft<TimeoutConf>(policies, listener).value_or(TimeoutConf());
      for (envoy::Chain& chain : listener.chains) apply_to_chain(conf, chain);
    }
    for (envoy::ClusterDraft& cluster : draft.clusters()) {
      if (cluster.role != envoy::Role::Outbound) continue;
      apply_to_cluster(conf_to_draft<TimeoutConf>(policies, cluster).value_or(TimeoutConf()), draft, cluster);
    }
  }

  Say say(const ProxyContext& proxy) const override {
    Say out;
    for (auto& policy : matched_policies<MeshTimeout>(proxy, kMeshTimeoutKind)) {
      if (policy.spec->from || policy.spec->rules) out.own.push_back(policy.resource);
      if (policy.spec->to) out.outbounds.push_back(std::move(policy.resource));
    }
    return out;
  }
};

}  // namespace

const Policy& mesh_timeout_policy() {
  static const MeshTimeoutPolicy policy;
  return policy;
}

}  // namespace mesh
