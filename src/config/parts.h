// Pieces that inbounds, outbounds and the admin listener have in common. Private to this room.
#pragma once

#include <string>
#include <vector>

#include "config/build.h"
#include "model/dataplane.h"

namespace mesh::build {

// An HTTP connection manager without routes. Callers at `internal` addresses are believed what they say of themselves.
enum class Internal { Loopback, PrivateNetworks };
envoy::proto::HttpConnectionManager* make_http(Context& context, const std::string& statistics, Internal internal);

envoy::Filter make_grpc_statistics(Context& context);

// Who the listener or cluster is for, where policies, patches and people find it.
void set_tags(const Tags& tags, envoy::proto::Listener& listener);

// A cluster with one fixed address.
envoy::proto::Cluster* make_static_cluster(Context& context, const std::string& name, const std::string& ip,
                                           std::uint32_t port);
envoy::proto::Cluster* make_pipe_cluster(Context& context, const std::string& name, const std::string& path);

// Mutual TLS by the mesh's certificates. What comes in must be of this mesh; what goes out must reach `service`.
void accept_mesh_tls(const std::string& mesh, envoy::proto::FilterChain& chain);
void use_mesh_tls(const std::string& mesh, const Destination& destination, envoy::proto::Cluster& cluster);

// How long to wait for a connection, and how many to have at most, where no policy says anything.
void set_limits(envoy::proto::Cluster& cluster);

inline constexpr const char* kMeshAlpn = "kuma";  // tells mesh TLS from the application's own

}  // namespace mesh::build
