// Names of Envoy resources, and what is derived from them. They are seen in statistics, dashboards and patches of
// users: compatible with the peer's, not to be changed.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace mesh::envoy::names {

inline constexpr std::string_view kAdmin = "kuma:envoy:admin";
inline constexpr std::string_view kReadiness = "kuma:readiness";
inline constexpr std::string_view kAdsCluster = "ads_cluster";
inline constexpr std::string_view kAccessLogSink = "access_log_sink";

std::string join_host_port(std::string_view host, std::uint32_t port);        // IPv6 in brackets
std::string inbound_listener(std::string_view address, std::uint32_t port);   // inbound:10.0.0.1:8080
std::string outbound_listener(std::string_view address, std::uint32_t port);  // outbound:127.0.0.1:10001
std::string local_cluster(std::uint32_t service_port);                        // localhost:5050
std::string inbound_route(std::string_view service);                          // inbound:backend
std::string outbound_route(std::string_view service);                         // outbound:backend
std::string identity_secret(std::string_view mesh);                           // identity_cert:secret:default
std::string ca_secret(std::string_view mesh);                                 // mesh_ca:secret:default
std::string spiffe_id(std::string_view mesh, std::string_view service);       // spiffe://default/backend
std::string tag_id(std::string_view tag, std::string_view value);             // kuma://version/v1
std::string sni(std::string_view service, const std::map<std::string, std::string>& tags);  // backend{mesh=default}
// Of a port of a resource; `kind` is "ms" or "mzms": ace9a6863feb07138.kv.15050.default.ms
std::string resource_sni(std::string_view name, std::string_view mesh, std::uint32_t port, std::string_view kind);
// The part of a service with these tags (kuma.io/service among them): backend-ab12… with a hash of the tags.
std::string split_cluster(std::string_view service, const std::map<std::string, std::string>& tags);

// A name as a part of a statistic's name: what is not a letter, a digit, "_" or "-" becomes "_".
std::string for_statistics(std::string_view name);

}  // namespace mesh::envoy::names
