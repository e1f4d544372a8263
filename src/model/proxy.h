// Which resources belong to a proxy: the one that says what it is, and the one that says how it does.
#pragma once

#include <optional>
#include <string>

#include "base/ids.h"
#include "model/resource.h"

namespace mesh {

inline constexpr ProxyRole kProxyRoles[] = {ProxyRole::Dataplane, ProxyRole::Ingress, ProxyRole::Egress};
const Kind& proxy_kind(ProxyRole type);  // Dataplane, ZoneIngress, ZoneEgress
const Kind& insight_kind(ProxyRole type);

ResourceKey proxy_key(const ProxyId& proxy);
ResourceKey insight_key(const ProxyId& proxy);
// Whose resource, or whose insight, is it? None: of no proxy.
std::optional<ProxyId> proxy_of_resource(const ResourceKey& key);
std::optional<ProxyId> proxy_of_insight(const ResourceKey& key);

// What both kinds of proxies have. `resource` is that of a proxy.
const std::string& proxy_address(const Resource& resource);  // networking.address
std::uint32_t admin_port_of(const Resource& resource);       // 0: none was named

}  // namespace mesh
