// The names of what a proxy may call, for a sidecar that runs a DNS server of its own: it reads them from Envoy, on a
// Unix socket in its work folder, again and again, and is told 304 as long as it has them. Path, names and format are
// the peer's.
#include <boost/json.hpp>
#include <envoy/config/listener/v3/listener.pb.h>
#include <envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h>

#include <map>
#include <set>

#include "config/outbound_plan.h"
#include "config/parts.h"
#include "envoy/pack.h"
#include "naming/service_names.h"

namespace mesh::build {
namespace {

namespace json = boost::json;

constexpr const char* kName = "_kuma:dynamicconfig";
constexpr const char* kPath = "/dns";
constexpr const char* kNamesSocket = "/kuma-mesh-metric-config.sock";
constexpr std::size_t kLongestSocketPath = 103;  // of a Unix socket, wherever the sidecar runs
constexpr int kTtl = 5;                          // seconds: a name that moves is followed soon

std::string socket_of(const ProxyTraits& traits) { return traits.work_dir + kNamesSocket; }

// The virtual address that names lead to; empty when it has none.
std::string vip_of(const MeshSnapshot& snapshot, const Destination& destination) {
  if (destination.backend != nullptr) return destination.backend->vip;
  const std::string* vip = snapshot.vips.get(destination.service);
  return vip == nullptr ? std::string() : *vip;
}

std::string describe(const MeshSnapshot& snapshot, const std::vector<PlannedOutbound>& outbounds,
                     const std::string& domain) {
  std::map<std::string, std::set<std::string>> addresses;
  for (const PlannedOutbound& outbound : outbounds) {
    const Destination& destination = outbound.destination;
    if (outbound.address != vip_of(snapshot, destination)) continue;  // enumerated, at an address without a name
    const auto names = destination.backend != nullptr ? destination.backend->hostnames
                                                      : service_hostnames(destination.service, domain);
    for (const std::string& name : names) addresses[name].insert(outbound.address);
  }
  json::array records;
  for (const auto& [name, ips] : addresses)
    records.push_back(json::object{{"name", name}, {"ips", json::array(ips.begin(), ips.end())}});
  return json::serialize(json::object{{"records", std::move(records)}, {"ttl", kTtl}});
}

}  // namespace

bool wants_names(const ProxyTraits& traits) {
  return !traits.work_dir.empty() && socket_of(traits).size() <= kLongestSocketPath &&
         traits.has_feature("feature-embedded-dns") && traits.has_feature("feature-bind-outbounds");
}

void add_names(Context& context, const std::vector<PlannedOutbound>& outbounds, const std::string& domain) {
  const std::string name = kName;
  const std::string body = describe(context.snapshot, outbounds, domain);
  const std::string tag = envoy::version_of(body);
  auto* http = make_http(context, name, Internal::Loopback);
  auto& routes = *http->mutable_route_config();
  routes.mutable_validate_clusters()->set_value(false);
  routes.mutable_max_direct_response_body_size_bytes()->set_value(static_cast<std::uint32_t>(body.size()));
  auto& host = *routes.add_virtual_hosts();
  host.set_name(name);
  host.add_domains("*");
  auto& same = *host.add_routes();
  same.mutable_match()->set_path(kPath);
  auto& header = *same.mutable_match()->add_headers();
  header.set_name("if-none-match");
  header.mutable_string_match()->set_exact(tag);
  same.mutable_direct_response()->set_status(304);
  auto& whole = *host.add_routes();
  whole.set_name(name + ":" + kPath);
  whole.mutable_match()->set_path(kPath);
  whole.mutable_direct_response()->set_status(200);
  whole.mutable_direct_response()->mutable_body()->set_inline_string(body);
  auto& etag = *whole.add_response_headers_to_add();
  etag.mutable_header()->set_key("etag");
  etag.mutable_header()->set_value(tag);

  auto* listener = context.draft.make<envoy::proto::Listener>();
  listener->set_name(name);
  listener->mutable_address()->mutable_pipe()->set_path(socket_of(context.traits));
  context.draft.add_listener({.role = envoy::Role::Admin,
                              .protocol = envoy::Protocol::Http,
                              .shell = listener,
                              .chains = {{.shell = context.draft.make<envoy::proto::FilterChain>(), .http = http}}});
}

}  // namespace mesh::build
