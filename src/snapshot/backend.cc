#include "snapshot/backend.h"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace mesh {
namespace {

constexpr std::string_view kServicePrefix = "service/";

// Every MeshService that is generated selects by kuma.io/service, and so do most others.
const std::string* service_selected(const ServiceSelector& selector) {
  if (selector.dataplane_ref || !selector.dataplane_tags) return nullptr;
  const auto found = selector.dataplane_tags->find(kServiceTag);
  return found == selector.dataplane_tags->end() || found->second == "*" ? nullptr : &found->second;
}

EndpointSource source_of(const MeshService& service, const ServicePort& port, const std::string& key) {
  EndpointSource source;
  const std::string* selected = service_selected(service.selector);
  source.view = selected == nullptr ? key : *selected;
  if (service.selector.dataplane_tags && !service.selector.dataplane_ref)
    source.tags = *service.selector.dataplane_tags;
  source.tags.erase(kServiceTag);
  if (port.target_port.is_string())
    source.inbound = std::string(port.target_port.get_string());
  else
    source.port = static_cast<std::uint32_t>(port.target_number());
  return source;
}

void describe(const MeshService& service, BackendView& view) {
  for (const ServicePort& port : service.ports)
    view.ports.push_back(
        {static_cast<std::uint32_t>(port.port), port.section_name(), port.app_protocol,
         is_local(*view.resource) ? std::vector{source_of(service, port, view.key)} : std::vector<EndpointSource>()});
  for (const ServiceIdentity& identity : service.identities)
    if (identity.type == IdentityType::ServiceTag) view.identities.push_back(identity.value);
}

void describe(const MeshMultiZoneService& service, const Backends& others, BackendView& view) {
  for (const MultiZonePort& port : service.ports)
    view.ports.push_back({static_cast<std::uint32_t>(port.port), port.section_name(), port.app_protocol, {}});
  const auto* status = view.resource->status.as<MeshMultiZoneServiceStatus>();
  if (status == nullptr) return;
  for (const MatchedMeshService& matched : status->mesh_services) {
    const auto* found = others.get(backend_key(kMeshServiceKind, matched.name));
    if (found == nullptr) continue;
    const BackendView& one = **found;
    view.identities.insert(view.identities.end(), one.identities.begin(), one.identities.end());
    for (BackendPort& port : view.ports)
      for (const BackendPort& theirs : one.ports)
        if (theirs.port == port.port)
          port.sources.insert(port.sources.end(), theirs.sources.begin(), theirs.sources.end());
  }
}

void describe(const MeshExternalService& service, BackendView& view) {
  view.spec = boost::json::serialize(view.resource->key.kind->print(view.resource->spec));
  const auto port = static_cast<std::uint32_t>(service.match.port);
  view.ports.push_back({port, std::to_string(port), enum_name(service.match.protocol_), {}});
}

}  // namespace

bool is_backend(const Kind& kind) {
  return &kind == &kMeshServiceKind || &kind == &kMeshMultiZoneServiceKind || &kind == &kMeshExternalServiceKind;
}

std::string backend_key(const Kind& kind, const std::string& name) { return kind.short_name + "/" + name; }

std::string service_key(const std::string& service) { return std::string(kServicePrefix) + service; }

std::string service_of_key(const std::string& key) {
  return key.starts_with(kServicePrefix) ? key.substr(kServicePrefix.size()) : std::string();
}

std::shared_ptr<const BackendView> build_backend(const std::shared_ptr<const Resource>& resource,
                                                 const Backends& others) {
  auto view = std::make_shared<BackendView>();
  view->resource = resource;
  view->key = backend_key(*resource->key.kind, resource->key.name);
  view->vip = vip_of(*resource);
  for (const ServiceHostname& name : hostnames_of(*resource)) view->hostnames.push_back(name.hostname);
  if (const auto* service = resource->spec.as<MeshService>()) describe(*service, *view);
  if (const auto* service = resource->spec.as<MeshMultiZoneService>()) describe(*service, others, *view);
  if (const auto* service = resource->spec.as<MeshExternalService>()) describe(*service, *view);
  std::sort(view->identities.begin(), view->identities.end());
  view->identities.erase(std::unique(view->identities.begin(), view->identities.end()), view->identities.end());
  return view;
}

bool looks_the_same(const BackendView& a, const BackendView& b) {
  return a.vip == b.vip && a.spec == b.spec && a.ports == b.ports && a.identities == b.identities &&
         a.resource->labels == b.resource->labels;
}

const ServiceSelector* selector_of_its_own(const BackendView& backend) {
  const auto* service = backend.resource->spec.as<MeshService>();
  if (service == nullptr || !is_local(*backend.resource)) return nullptr;
  return service_selected(service->selector) == nullptr ? &service->selector : nullptr;
}

}  // namespace mesh
