// The draft of one proxy's configuration: Envoy resources that the builder makes and policies edit, before they are
// packed. Filters are kept as messages of their own type as long as the draft lives, so that an edit is an assignment
// and not an unpacking. Everything lies in one arena that goes with the draft.
//
// One thread at a time. Code that only passes a draft on needs no Envoy header; code that edits one includes those of
// the messages it edits.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace google::protobuf {
class Arena;
class Message;
}  // namespace google::protobuf
namespace envoy::config::cluster::v3 {
class Cluster;
}
namespace envoy::config::listener::v3 {
class FilterChain;
class Listener;
}  // namespace envoy::config::listener::v3
namespace envoy::extensions::filters::network::http_connection_manager::v3 {
class HttpConnectionManager;
}
namespace envoy::extensions::filters::network::tcp_proxy::v3 {
class TcpProxy;
}
namespace envoy::extensions::upstreams::http::v3 {
class HttpProtocolOptions;
}

namespace mesh::envoy {

namespace proto {
using Cluster = ::envoy::config::cluster::v3::Cluster;
using FilterChain = ::envoy::config::listener::v3::FilterChain;
using Listener = ::envoy::config::listener::v3::Listener;
using HttpConnectionManager = ::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using TcpProxy = ::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using HttpProtocolOptions = ::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
}  // namespace proto

enum class Role { Inbound, Outbound, Admin };

enum class Protocol { Tcp, Http, Http2, Grpc };
Protocol parse_protocol(std::string_view text);  // of the tag kuma.io/protocol; everything unknown is Tcp
inline bool is_http(Protocol protocol) { return protocol != Protocol::Tcp; }

// A filter before it is packed. `config` lives as long as the draft.
struct Filter {
  std::string name = {};  // "envoy.filters.http.rbac"
  const google::protobuf::Message* config = nullptr;
};

// One way through a listener. It ends in exactly one of `http` and `tcp`; the other is null.
struct Chain {
  proto::FilterChain* shell = nullptr;           // what it matches; without filters
  bool is_mesh_tls = false;                      // only proxies of this mesh come through here
  std::vector<Filter> network_filters = {};      // before the last one
  proto::HttpConnectionManager* http = nullptr;  // without its HTTP filters
  std::vector<Filter> http_filters = {};         // before the router
  proto::TcpProxy* tcp = nullptr;
};

// Where an outbound leads, when that is a resource and not a value of kuma.io/service.
struct Backend {
  std::string kind = {};  // "MeshService", "MeshExternalService", "MeshMultiZoneService"; empty: a kuma.io/service
  std::string name = {};
  std::string section = {};                        // the name of its port, or the number
  std::map<std::string, std::string> labels = {};  // of the resource

  bool empty() const { return kind.empty(); }
};

struct ListenerDraft {
  Role role = Role::Inbound;
  std::string service = {};  // kuma.io/service: whose inbound, or where the outbound leads; empty: see `backend`
  Backend backend = {};      // role Outbound
  Protocol protocol = Protocol::Tcp;
  std::string address = {};
  std::uint32_t port = 0;
  std::size_t inbound = 0;           // role Inbound: index into networking.inbound
  proto::Listener* shell = nullptr;  // without filter chains
  std::vector<Chain> chains = {};
  bool inspects_tls = false;  // finds out about TLS, SNI and ALPN before a chain is chosen
};

struct ClusterDraft {
  Role role = Role::Inbound;
  std::string service = {};
  Backend backend = {};
  Protocol protocol = Protocol::Tcp;
  std::size_t inbound = 0;          // role Inbound: index into networking.inbound, of the first that leads here
  proto::Cluster* shell = nullptr;  // without protocol options
  proto::HttpProtocolOptions* http = nullptr;  // null: none
};

class ResourceSet {
 public:
  ResourceSet();
  ~ResourceSet();
  ResourceSet(const ResourceSet&) = delete;
  ResourceSet& operator=(const ResourceSet&) = delete;

  // References stay good as long as the draft.
  ListenerDraft& add_listener(ListenerDraft listener);
  ClusterDraft& add_cluster(ClusterDraft cluster);

  std::deque<ListenerDraft>& listeners() { return listeners_; }
  std::deque<ClusterDraft>& clusters() { return clusters_; }
  ClusterDraft* find_cluster(std::string_view name);

  // A message of the draft.
  template <class T>
  T* make() {
    return static_cast<T*>(new_message(T::default_instance()));
  }

  // The finished resources, in the order of their names.
  NamedResourceList seal_listeners();
  NamedResourceList seal_clusters();

 private:
  google::protobuf::Message* new_message(const google::protobuf::Message& prototype);

  std::unique_ptr<char[]> block_;  // the first that the arena fills
  std::unique_ptr<google::protobuf::Arena> arena_;
  std::deque<ListenerDraft> listeners_;
  std::deque<ClusterDraft> clusters_;
};

}  // namespace mesh::envoy
