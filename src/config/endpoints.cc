#include "config/endpoints.h"

#include <envoy/config/endpoint/v3/endpoint.pb.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "envoy/address.h"
#include "envoy/pack.h"

namespace mesh {
namespace {

using ::envoy::config::endpoint::v3::ClusterLoadAssignment;
using ::envoy::config::endpoint::v3::LbEndpoint;

bool has_tags(const Tags& tags, const Tags& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& tag) {
    if (tag.first == kServiceTag) return true;  // that is how it got here
    const auto found = tags.find(tag.first);
    return found != tags.end() && found->second == tag.second;
  });
}

std::string zone_of(const Endpoint& endpoint) {
  if (const auto tag = endpoint.tags.find(kZoneTag); tag != endpoint.tags.end()) return tag->second;
  if (endpoint.labels == nullptr) return {};
  const auto label = endpoint.labels->find(kZoneTag);
  return label == endpoint.labels->end() ? std::string() : label->second;
}

void describe(const Endpoint& endpoint, LbEndpoint& lb) {
  envoy::set_address(endpoint.address, endpoint.port, *lb.mutable_endpoint()->mutable_address());
  lb.mutable_load_balancing_weight()->set_value(1);
  auto& metadata = *lb.mutable_metadata()->mutable_filter_metadata();
  for (const auto& [tag, value] : endpoint.tags) {
    if (tag == kServiceTag) continue;  // the cluster says it
    (*metadata["envoy.lb"].mutable_fields())[tag].set_string_value(value);
    (*metadata["envoy.transport_socket_match"].mutable_fields())[tag].set_string_value(value);
  }
  if (endpoint.labels != nullptr) {
    for (const auto& [label, value] : *endpoint.labels) {
      (*metadata["io.kuma.labels"].mutable_fields())[label].set_string_value(value);
    }
  }
  if (metadata.empty()) lb.clear_metadata();
}

std::string key_of(const std::string& mesh, const std::string& cluster, const ClientView& view) {
  std::string key = mesh;
  key += '\0';
  key += cluster;
  key += '\0';
  if (view.prefers_its_zone) key += view.zone;
  return key;
}

}  // namespace

NamedResource make_endpoints(const build::Destination& destination, const ServiceView* service,
                             const ClientView& view) {
  ClusterLoadAssignment assignment;
  assignment.set_cluster_name(destination.cluster);
  std::map<std::string, std::vector<const Endpoint*>> by_zone;
  if (service != nullptr) {
    for (const Endpoint& endpoint : service->endpoints) {
      // Envoy refuses the whole service for one name in it.
      if (envoy::is_ip(endpoint.address) && has_tags(endpoint.tags, destination.tags))
        by_zone[zone_of(endpoint)].push_back(&endpoint);
    }
  }
  for (auto& [zone, endpoints] : by_zone) {
    std::sort(endpoints.begin(), endpoints.end(), [](const Endpoint* a, const Endpoint* b) {
      return std::tie(a->address, a->port, a->dataplane) < std::tie(b->address, b->port, b->dataplane);
    });
    auto& locality = *assignment.add_endpoints();
    if (!zone.empty()) locality.mutable_locality()->set_zone(zone);
    if (view.prefers_its_zone && zone != view.zone && !zone.empty()) locality.set_priority(1);
    for (const Endpoint* endpoint : endpoints) describe(*endpoint, *locality.add_lb_endpoints());
  }
  // Priorities have no gaps: where the own zone has nobody, the others come first.
  const auto& localities = assignment.endpoints();
  if (!localities.empty() && std::all_of(localities.begin(), localities.end(),
                                         [](const auto& locality) { return locality.priority() == 1; })) {
    for (auto& locality : *assignment.mutable_endpoints()) locality.set_priority(0);
  }
  return envoy::make_resource(destination.cluster, assignment);
}

NamedResource EndpointCache::get(const std::string& mesh, const build::Destination& destination,
                                 const std::shared_ptr<const ServiceView>& service, const ClientView& view) {
  if (service == nullptr) return make_endpoints(destination, nullptr, view);
  const std::string key = key_of(mesh, destination.cluster, view);
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found != entries_.end() && found->second.made_from.lock() == service) return found->second.resource;
  }
  NamedResource made = make_endpoints(destination, service.get(), view);
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[key];
  // The same bytes as before stay the same object.
  if (entry.resource == made) made = entry.resource;
  entry = {service, made};
  if (entries_.size() > check_at_) drop_expired();
  return made;
}

std::size_t EndpointCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void EndpointCache::drop_expired() {
  std::erase_if(entries_, [](const auto& entry) { return entry.second.made_from.expired(); });
  check_at_ = std::max<std::size_t>(1024, entries_.size() * 2);
}

}  // namespace mesh
