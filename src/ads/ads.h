// The aggregated discovery service: the streams over which Envoys ask for their configuration. This room knows names,
// versions and bytes; which resources a proxy should have is offered from outside, and what the proxy answered is
// reported to a sink.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "wire/grpc.h"

namespace mesh {

using StreamId = std::uint64_t;

// The types we serve, in the order in which they are pushed.
enum class XdsType { Cluster, Endpoint, Listener, Route, Secret };
inline constexpr XdsType kXdsTypes[] = {XdsType::Cluster, XdsType::Endpoint, XdsType::Listener, XdsType::Route,
                                        XdsType::Secret};
const std::string& type_url(XdsType type);  // "type.googleapis.com/envoy.config.cluster.v3.Cluster"

// What is offered of each type; null: it stays as it is.
class OfferedResources {
 public:
  NamedResources& operator[](XdsType type) { return by_type_[static_cast<std::size_t>(type)]; }
  std::span<const NamedResources> by_type() const { return by_type_; }

 private:
  std::array<NamedResources, std::size(kXdsTypes)> by_type_;
};

// Everything one proxy should have.
struct Offer {
  std::uint64_t number = 0;  // grows from offer to offer; on_holds() tells it back
  OfferedResources resources = {};
};

// What a proxy said of itself in the first request of a stream. The extension list that Envoy sends is not kept.
struct ProxyNode {
  ProxyId id;
  std::string metadata_json;  // the node's metadata as JSON (compact); small
  std::string envoy_version, envoy_build;
};

struct StreamInfo {
  StreamId stream = 0;
  ProxyNode node;
  wire::Peer peer;
  bool delta = false;
};

// What happens on streams. Called on the strand of the stream in question: hand it over and return.
class AdsSink {
 public:
  virtual ~AdsSink() = default;
  virtual void on_connected(const StreamInfo& stream) = 0;  // authenticated, and its Dataplane is in the store
  virtual void on_sent(StreamId stream, XdsType type, const std::string& version) = 0;
  virtual void on_acknowledged(StreamId stream, XdsType type, const std::string& version) = 0;
  virtual void on_refused(StreamId stream, XdsType type, const std::string& version, const std::string& reason) = 0;
  // The proxy now has all that it asked for of this type, as offer `number` has it: acknowledged on this stream, or
  // known from before a reconnect (then nothing was sent). Not called for what it refused, nor for a type it did not
  // ask for.
  virtual void on_holds(StreamId stream, XdsType type, std::uint64_t number) = 0;
  virtual void on_disconnected(StreamId stream) = 0;
};

// Decides whether a stream may be opened, once the first request told who it is; registers the proxy. It may answer
// later, from another thread.
using Admit = std::function<void(const ProxyNode&, const wire::Headers& metadata, const wire::Peer&,
                                 std::move_only_function<void(Status)> decided)>;

// Thread-safe.
class AdsServer {
 public:
  AdsServer(AdsSink& sink, Admit admit);
  ~AdsServer();

  // The gRPC services of this room, for wire::Server.
  void add_services(wire::GrpcServices& services);

  // The newest state of the world for one stream; replaces an offer that still waits. Ignored when the stream is gone.
  void offer(StreamId stream, Offer offer);
  // Ends the stream with a status, e.g. when its credential was withdrawn.
  void close(StreamId stream, wire::GrpcStatus status);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace mesh
