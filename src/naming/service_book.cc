#include "naming/service_book.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "model/dataplane.h"
#include "model/insight.h"
#include "model/rules.h"
#include "naming/service_names.h"

namespace mesh {
namespace {

// A protocol that is not known is carried as bytes.
std::string protocol_of(const Inbound& inbound) {
  std::string protocol = inbound.protocol();
  std::ranges::transform(protocol, protocol.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return is_known_protocol(protocol) ? protocol : "tcp";
}

ServicePort port_of(const Inbound& inbound) {
  ServicePort port;
  port.name = inbound.section_name();
  port.port = static_cast<std::int32_t>(inbound.port);
  port.target_port = static_cast<std::int64_t>(inbound.port);
  port.app_protocol = protocol_of(inbound);
  return port;
}

std::string text_of(const std::vector<ServicePort>& ports) {
  std::string out;
  for (const ServicePort& port : ports)
    out += fmt::format("{} {} {} {}\n", port.section_name(), port.port,
                       port.target_port.is_string() ? std::string(port.target_port.get_string())
                                                    : std::to_string(port.target_number()),
                       port.app_protocol);
  return out;
}

}  // namespace

// ---- what comes in

void ServiceBook::on_dataplane(const Resource& resource) {
  const auto* dataplane = resource.spec.as<Dataplane>();
  if (dataplane == nullptr) return;
  MeshIndex& mesh = meshes_[resource.key.mesh];
  auto proxy = std::make_shared<Proxy>();
  proxy->resource = resource;
  std::set<std::string> tags;
  for (const Inbound& inbound : dataplane->networking.inbound) {
    if (inbound.service().empty()) continue;
    tags.insert(inbound.service());
    proxy->ports[inbound.service()].push_back(port_of(inbound));
    if (inbound.state != InboundState::Ignored) proxy->offered.insert(inbound.service());
  }
  if (const auto& gateway = dataplane->networking.gateway)
    if (const auto tag = gateway->tags.find(kServiceTag); tag != gateway->tags.end()) tags.insert(tag->second);
  proxy->service_tags.assign(tags.begin(), tags.end());

  std::shared_ptr<Proxy>& place = mesh.proxies[resource.key.name];
  const std::shared_ptr<Proxy> before = std::exchange(place, proxy);
  if (before) leave(mesh, resource.key.mesh, *before);
  join(mesh, resource.key.mesh, *proxy);
  // Services that selected it before and may do so no more.
  if (before)
    for (const std::string& service : before->services)
      if (!proxy->services.contains(service)) weigh(mesh, resource.key.mesh, service, *proxy);
}

void ServiceBook::on_dataplane_gone(const ResourceKey& key) {
  MeshIndex& mesh = meshes_[key.mesh];
  const auto found = mesh.proxies.find(key.name);
  if (found == mesh.proxies.end()) return;
  const std::shared_ptr<Proxy> proxy = found->second;
  mesh.proxies.erase(found);
  leave(mesh, key.mesh, *proxy);
  for (const std::string& service : proxy->services) drop_share(key.mesh, service, mesh.services.at(service), key.name);
}

void ServiceBook::on_insight(const Resource& resource) {
  const auto* insight = resource.spec.as<DataplaneInsight>();
  if (insight == nullptr) return;
  MeshIndex& mesh = meshes_[resource.key.mesh];
  const Report report{insight->is_online(), insight->mtls && !insight->mtls->issued_backend.empty()};
  Report& known = mesh.reports[resource.key.name];
  if (std::exchange(known, report) == report) return;
  const auto proxy = mesh.proxies.find(resource.key.name);
  if (proxy == mesh.proxies.end()) return;
  for (const std::string& service : std::set(proxy->second->services))
    weigh(mesh, resource.key.mesh, service, *proxy->second);
}

void ServiceBook::on_insight_gone(const ResourceKey& key) {
  MeshIndex& mesh = meshes_[key.mesh];
  if (mesh.reports.erase(key.name) == 0) return;
  const auto proxy = mesh.proxies.find(key.name);
  if (proxy == mesh.proxies.end()) return;
  for (const std::string& service : std::set(proxy->second->services)) weigh(mesh, key.mesh, service, *proxy->second);
}

std::set<std::string>& ServiceBook::place_of(MeshIndex& mesh, const ServiceSelector& selector) {
  if (selector.dataplane_ref) return mesh.by_ref[selector.dataplane_ref->name];
  if (selector.dataplane_tags)
    if (const auto tag = selector.dataplane_tags->find(kServiceTag);
        tag != selector.dataplane_tags->end() && tag->second != "*")
      return mesh.by_tag[tag->second];
  return mesh.by_scan;
}

void ServiceBook::on_service(const Resource& resource) {
  const auto* spec = resource.spec.as<MeshService>();
  if (spec == nullptr) return;
  MeshIndex& mesh = meshes_[resource.key.mesh];
  const std::string& name = resource.key.name;
  Service& service = mesh.services[name];
  const bool is_known = place_of(mesh, service.selector).contains(name);
  if (is_known && service.selector == spec->selector && service.ports == spec->ports) return;
  place_of(mesh, service.selector).erase(name);
  for (const auto& [dataplane, share] : service.shares) mesh.proxies.at(dataplane)->services.erase(name);
  service = {spec->selector, spec->ports, {}, {}};
  place_of(mesh, service.selector).insert(name);
  touched_totals_.insert({resource.key.mesh, name});

  const auto weigh_named = [&](const std::string& dataplane) {
    if (const auto proxy = mesh.proxies.find(dataplane); proxy != mesh.proxies.end())
      weigh(mesh, resource.key.mesh, name, *proxy->second);
  };
  if (spec->selector.dataplane_ref) return weigh_named(spec->selector.dataplane_ref->name);
  if (&place_of(mesh, service.selector) != &mesh.by_scan) {
    if (const auto group = mesh.groups.find(spec->selector.dataplane_tags->at(kServiceTag)); group != mesh.groups.end())
      for (const auto& [text, variant] : group->second.variants)
        for (const auto& [created, dataplane] : variant.members) weigh_named(dataplane);
    return;
  }
  for (const auto& [dataplane, proxy] : mesh.proxies) weigh(mesh, resource.key.mesh, name, *proxy);
}

void ServiceBook::on_service_gone(const ResourceKey& key) {
  MeshIndex& mesh = meshes_[key.mesh];
  const auto found = mesh.services.find(key.name);
  if (found == mesh.services.end()) return;
  place_of(mesh, found->second.selector).erase(key.name);
  for (const auto& [dataplane, share] : found->second.shares) mesh.proxies.at(dataplane)->services.erase(key.name);
  mesh.services.erase(found);
  touched_totals_.erase({key.mesh, key.name});
}

// ---- who belongs to whom

void ServiceBook::join(MeshIndex& mesh, const std::string& mesh_name, Proxy& proxy) {
  for (const auto& [tag, ports] : proxy.ports) {
    Group& group = mesh.groups[tag];
    Group::Variant& variant = group.variants[text_of(ports)];
    variant.ports = ports;
    variant.members.emplace(proxy.resource.created, proxy.resource.key.name);
    if (proxy.offered.contains(tag)) ++group.offers;
    touched_tags_.insert({mesh_name, tag});
  }
  for (const std::string& service : candidates(mesh, proxy)) weigh(mesh, mesh_name, service, proxy);
}

void ServiceBook::leave(MeshIndex& mesh, const std::string& mesh_name, Proxy& proxy) {
  for (const auto& [tag, ports] : proxy.ports) {
    Group& group = mesh.groups[tag];
    const auto variant = group.variants.find(text_of(ports));
    variant->second.members.erase({proxy.resource.created, proxy.resource.key.name});
    if (variant->second.members.empty()) group.variants.erase(variant);
    if (proxy.offered.contains(tag)) --group.offers;
    touched_tags_.insert({mesh_name, tag});
    if (group.variants.empty()) mesh.groups.erase(tag);
  }
}

std::set<std::string> ServiceBook::candidates(const MeshIndex& mesh, const Proxy& proxy) const {
  std::set<std::string> out = mesh.by_scan;
  const auto add = [&](const std::map<std::string, std::set<std::string>>& index, const std::string& key) {
    if (const auto found = index.find(key); found != index.end())
      out.insert(found->second.begin(), found->second.end());
  };
  for (const auto& [tag, ports] : proxy.ports) add(mesh.by_tag, tag);
  add(mesh.by_ref, proxy.resource.key.name);
  return out;
}

// Works out anew what a Dataplane brings to a service.
void ServiceBook::weigh(MeshIndex& mesh, const std::string& mesh_name, const std::string& name, Proxy& proxy) {
  const auto found = mesh.services.find(name);
  if (found == mesh.services.end()) return;
  Service& service = found->second;
  const std::string& dataplane = proxy.resource.key.name;
  if (!service.selector.selects(proxy.resource)) {
    proxy.services.erase(name);
    return drop_share(mesh_name, name, service, dataplane);
  }
  proxy.services.insert(name);
  const Share share = share_of(mesh, service, proxy);
  if (const auto before = service.shares.find(dataplane); before != service.shares.end()) {
    if (before->second == share) return;
    drop_share(mesh_name, name, service, dataplane);
  }
  Totals& totals = service.totals;
  ++totals.total;
  totals.connected += share.connected;
  totals.healthy += share.healthy;
  totals.certified += share.certified;
  for (const std::string& tag : share.service_tags) ++totals.service_tags[tag];
  service.shares.emplace(dataplane, share);
  touched_totals_.insert({mesh_name, name});
}

void ServiceBook::drop_share(const std::string& mesh_name, const std::string& service_name, Service& service,
                             const std::string& dataplane) {
  const auto found = service.shares.find(dataplane);
  if (found == service.shares.end()) return;
  const Share& share = found->second;
  Totals& totals = service.totals;
  --totals.total;
  totals.connected -= share.connected;
  totals.healthy -= share.healthy;
  totals.certified -= share.certified;
  for (const std::string& tag : share.service_tags)
    if (--totals.service_tags[tag] == 0) totals.service_tags.erase(tag);
  service.shares.erase(found);
  touched_totals_.insert({mesh_name, service_name});
}

ServiceBook::Share ServiceBook::share_of(const MeshIndex& mesh, const Service& service, const Proxy& proxy) const {
  Share share;
  if (const auto report = mesh.reports.find(proxy.resource.key.name); report != mesh.reports.end()) {
    share.connected = report->second.connected;
    share.certified = report->second.certified;
  }
  const auto& inbounds = proxy.resource.spec_as<Dataplane>().networking.inbound;
  share.healthy = std::ranges::all_of(service.ports, [&](const ServicePort& port) {
    return std::ranges::any_of(inbounds, [&](const Inbound& inbound) {
      return inbound.state == InboundState::Ready && port.leads_to(inbound);
    });
  });
  share.service_tags = proxy.service_tags;
  return share;
}

// ---- what goes out

std::optional<ServiceBook::Wanted> ServiceBook::wanted(const ServiceName& service,
                                                       const std::vector<ServicePort>* now) const {
  const auto mesh = meshes_.find(service.mesh);
  if (mesh == meshes_.end() || !is_service_label(service.name)) return std::nullopt;
  const auto group = mesh->second.groups.find(service.name);
  if (group == mesh->second.groups.end()) return std::nullopt;
  const auto& variants = group->second.variants;
  auto chosen = now == nullptr ? variants.end() : variants.find(text_of(*now));
  if (chosen == variants.end())
    chosen = std::ranges::min_element(variants, {},
                                      [](const auto& each) -> const auto& { return *each.second.members.begin(); });
  Wanted out;
  out.spec.selector.dataplane_tags = std::map<std::string, std::string>{{kServiceTag, service.name}};
  out.spec.ports = chosen->second.ports;
  for (auto each = variants.begin(); each != variants.end(); ++each)
    if (each != chosen)
      for (const auto& [created, dataplane] : each->second.members) out.in_conflict.push_back(dataplane);
  return out;
}

bool ServiceBook::is_offered(const ServiceName& service) const {
  const auto mesh = meshes_.find(service.mesh);
  if (mesh == meshes_.end()) return false;
  const auto group = mesh->second.groups.find(service.name);
  return group != mesh->second.groups.end() && group->second.offers > 0;
}

const ServiceBook::Totals& ServiceBook::totals_of(const ServiceName& service) const {
  static const Totals none;
  const auto mesh = meshes_.find(service.mesh);
  if (mesh == meshes_.end()) return none;
  const auto found = mesh->second.services.find(service.name);
  return found == mesh->second.services.end() ? none : found->second.totals;
}

std::set<ServiceName> ServiceBook::tags_of_mesh(const std::string& mesh) const {
  std::set<ServiceName> out;
  if (const auto found = meshes_.find(mesh); found != meshes_.end())
    for (const auto& [tag, group] : found->second.groups) out.insert({mesh, tag});
  return out;
}

}  // namespace mesh
