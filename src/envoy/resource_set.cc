#include "envoy/resource_set.h"

#include <envoy/config/cluster/v3/cluster.pb.h>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/http/router/v3/router.pb.h>
#include <envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>
#include <envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h>
#include <envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h>
#include <google/protobuf/arena.h>

#include <algorithm>

#include "envoy/pack.h"

namespace mesh::envoy {
namespace {

void add_network_filter(const std::string& name, const google::protobuf::Message& config, proto::FilterChain& chain) {
  auto* filter = chain.add_filters();
  filter->set_name(name);
  pack_any(config, *filter->mutable_typed_config());
}

void add_http_filter(const std::string& name, const google::protobuf::Message& config,
                     proto::HttpConnectionManager& http) {
  auto* filter = http.add_http_filters();
  filter->set_name(name);
  pack_any(config, *filter->mutable_typed_config());
}

void seal_chain(const Chain& chain, proto::FilterChain& sealed) {
  for (const Filter& filter : chain.network_filters) add_network_filter(filter.name, *filter.config, sealed);
  if (chain.http != nullptr) {
    chain.http->clear_http_filters();
    for (const Filter& filter : chain.http_filters) add_http_filter(filter.name, *filter.config, *chain.http);
    // The router is where a request leaves the filters: always the last.
    add_http_filter("envoy.filters.http.router",
                    ::envoy::extensions::filters::http::router::v3::Router::default_instance(), *chain.http);
    add_network_filter("envoy.filters.network.http_connection_manager", *chain.http, sealed);
  } else if (chain.tcp != nullptr) {
    add_network_filter("envoy.filters.network.tcp_proxy", *chain.tcp, sealed);
  }
}

NamedResourcePtr seal(const ListenerDraft& draft) {
  draft.shell->clear_filter_chains();
  draft.shell->clear_listener_filters();
  for (const Chain& chain : draft.chains) {
    auto* sealed = draft.shell->add_filter_chains();
    *sealed = *chain.shell;
    seal_chain(chain, *sealed);
  }
  if (draft.inspects_tls) {
    auto* filter = draft.shell->add_listener_filters();
    filter->set_name("envoy.filters.listener.tls_inspector");
    pack_any(::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector::default_instance(),
             *filter->mutable_typed_config());
  }
  return make_resource(draft.shell->name(), *draft.shell);
}

NamedResourcePtr seal(const ClusterDraft& draft) {
  if (draft.http != nullptr) {
    pack_any(
        *draft.http,
        (*draft.shell
              ->mutable_typed_extension_protocol_options())["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]);
  }
  return make_resource(draft.shell->name(), *draft.shell);
}

template <class Drafts>
NamedResourceList seal_all(const Drafts& drafts) {
  NamedResourceList sealed;
  sealed.reserve(drafts.size());
  for (const auto& draft : drafts) sealed.push_back(seal(draft));
  std::ranges::sort(sealed, {}, name_of_resource);
  return sealed;
}

// Most drafts fit in here. Whoever builds one after the other uses the same memory again.
constexpr std::size_t kBlockSize = 64 * 1024;
thread_local std::unique_ptr<char[]> spare_block;

std::unique_ptr<char[]> take_block() {
  return spare_block ? std::move(spare_block) : std::make_unique_for_overwrite<char[]>(kBlockSize);
}

}  // namespace

Protocol parse_protocol(std::string_view text) {
  if (text == "http") return Protocol::Http;
  if (text == "http2") return Protocol::Http2;
  if (text == "grpc") return Protocol::Grpc;
  return Protocol::Tcp;
}

ResourceSet::ResourceSet() : block_(take_block()) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block_.get();
  options.initial_block_size = kBlockSize;
  arena_ = std::make_unique<google::protobuf::Arena>(options);
}

ResourceSet::~ResourceSet() {
  arena_.reset();
  spare_block = std::move(block_);
}

ListenerDraft& ResourceSet::add_listener(ListenerDraft listener) {
  return listeners_.emplace_back(std::move(listener));
}

ClusterDraft& ResourceSet::add_cluster(ClusterDraft cluster) { return clusters_.emplace_back(std::move(cluster)); }

ClusterDraft* ResourceSet::find_cluster(std::string_view name) {
  for (ClusterDraft& cluster : clusters_) {
    if (cluster.shell->name() == name) return &cluster;
  }
  return nullptr;
}

NamedResourceList ResourceSet::seal_listeners() { return seal_all(listeners_); }

NamedResourceList ResourceSet::seal_clusters() { return seal_all(clusters_); }

google::protobuf::Message* ResourceSet::new_message(const google::protobuf::Message& prototype) {
  return prototype.New(arena_.get());
}

}  // namespace mesh::envoy
