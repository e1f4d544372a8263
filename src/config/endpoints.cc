#include "config/endpoints.h"

#include <envoy/config/endpoint/v3/endpoint.pb.h>

#include <algorithm>
#include <map>
#include <set>
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

bool comes_from(const EndpointSource& source, const Endpoint& endpoint) {
  if (source.port != 0 ? endpoint.port != source.port : endpoint.inbound != source.inbound) return false;
  return std::all_of(source.tags.begin(), source.tags.end(), [&](const auto& tag) {
    const auto found = endpoint.tags.find(tag.first);
    return found != endpoint.tags.end() && (tag.second == "*" || found->second == tag.second);
  });
}

// Whether the endpoint, found in the view at this place, is one of the destination's.
bool belongs(const build::Destination& destination, std::size_t view, const Endpoint& endpoint) {
  if (destination.port != nullptr) return comes_from(destination.port->sources[view], endpoint);
  return has_tags(endpoint.tags, *destination.tags);
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

Views views_of(const MeshSnapshot& snapshot, const build::Destination& destination) {
  Views out;
  if (destination.port == nullptr) {
    out.push_back(snapshot.find_view(destination.service));
  } else {
    for (const EndpointSource& source : destination.port->sources) out.push_back(snapshot.find_view(source.view));
  }
  return out;
}

NamedResourcePtr make_endpoints(const build::Destination& destination, const Views& views, const ClientView& view) {
  ClusterLoadAssignment assignment;
  assignment.set_cluster_name(destination.cluster);
  std::map<std::string, std::vector<const Endpoint*>> by_zone;
  std::set<std::pair<std::string, std::uint32_t>> known;  // two ports of a service may lead to one
  for (std::size_t i = 0; i < views.size(); ++i) {
    if (views[i] == nullptr) continue;
    for (const Endpoint& endpoint : views[i]->endpoints) {
      // Envoy refuses the whole service for one name in it.
      if (!envoy::is_ip(endpoint.address) || !belongs(destination, i, endpoint)) continue;
      if (views.size() == 1 || known.emplace(endpoint.address, endpoint.port).second)
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

bool EndpointCache::Entry::is_of(const build::Destination& destination, const Views& views) const {
  const auto is_same = [](const auto& was, const auto& is) { return was.lock() == is; };
  return is_same(backend, destination.backend) &&
         std::equal(made_from.begin(), made_from.end(), views.begin(), views.end(), is_same);
}

NamedResourcePtr EndpointCache::get(const std::string& mesh, const build::Destination& destination, const Views& views,
                                    const ClientView& view) {
  if (std::all_of(views.begin(), views.end(), [](const auto& one) { return one == nullptr; }))
    return make_endpoints(destination, {}, view);
  const std::shared_ptr<Entry> entry = entry_of(key_of(mesh, destination.cluster, view));
  // Who comes while it is made waits, and is given the same.
  const std::lock_guard lock(entry->mutex);
  if (entry->is_of(destination, views)) return entry->resource;
  NamedResourcePtr made = make_endpoints(destination, views, view);
  if (!is_same(entry->resource, made))
    entry->resource = std::move(made);  // the same bytes as before stay the same object
  entry->made_from.assign(views.begin(), views.end());
  entry->backend = destination.backend;
  return entry->resource;
}

std::shared_ptr<EndpointCache::Entry> EndpointCache::entry_of(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Entry>& entry = entries_[key];
  if (!entry) entry = std::make_shared<Entry>();
  const std::shared_ptr<Entry> found = entry;
  if (entries_.size() > check_at_) drop_expired();
  return found;
}

std::size_t EndpointCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

void EndpointCache::drop_expired() {
  std::erase_if(entries_, [](const auto& known) {
    if (known.second.use_count() > 1) return false;  // somebody has it just now, and nobody gets it without our lock
    const std::lock_guard lock(known.second->mutex);
    const auto& made_from = known.second->made_from;
    return std::all_of(made_from.begin(), made_from.end(), [](const auto& view) { return view.expired(); });
  });
  check_at_ = std::max<std::size_t>(1024, entries_.size() * 2);
}

}  // namespace mesh
