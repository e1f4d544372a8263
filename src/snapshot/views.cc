#include "snapshot/views.h"

#include <algorithm>

namespace mesh::views {
namespace {

// A reference by labels may come to mean any of them.
std::string key_called(const OutboundBackendRef& ref) {
  if (ref.name.empty()) return kAnyBackend;
  for (const Kind* kind : {&kMeshServiceKind, &kMeshMultiZoneServiceKind, &kMeshExternalServiceKind})
    if (kind->name == ref.kind) return backend_key(*kind, ref.name);
  return kAnyBackend;
}

std::string common_protocol(const std::string& a, const std::string& b) {
  if (a == b) return a;
  const auto speaks_http2 = [](const std::string& protocol) { return protocol == "http2" || protocol == "grpc"; };
  return speaks_http2(a) && speaks_http2(b) ? "http2" : "tcp";
}

bool is_declared_ready(const Inbound& inbound) {
  return inbound.state == InboundState::Ready && (!inbound.health || inbound.health->ready);
}

const std::string& address_of(const Dataplane& dataplane, const Inbound& inbound) {
  const Networking& networking = dataplane.networking;
  if (!networking.advertised_address.empty()) return networking.advertised_address;
  return inbound.address.empty() ? networking.address : inbound.address;
}

// Adds those of its inbounds that `wanted` picks.
template <class Wanted>
void add_inbounds(const MeshSnapshot& mesh, const SharedResource& resource, const Wanted& wanted, ServiceView& view) {
  const Dataplane& dataplane = resource->spec_as<Dataplane>();
  const std::set<std::uint32_t>* unavailable = mesh.live.get(resource->key.name);
  const auto gets_traffic = [&](const Inbound& inbound) {
    return unavailable != nullptr && !unavailable->contains(inbound.port) && is_declared_ready(inbound);
  };
  const std::size_t first = view.endpoints.size();
  for (const Inbound& inbound : dataplane.networking.inbound) {
    if (inbound.state == InboundState::Ignored || !wanted(inbound)) continue;
    const std::string protocol = inbound.protocol();
    view.protocol = view.protocol.empty() ? protocol : common_protocol(view.protocol, protocol);
    if (!gets_traffic(inbound)) continue;
    view.endpoints.push_back({resource->key.name, address_of(dataplane, inbound), inbound.port, inbound.tags,
                              std::shared_ptr<const Labels>(resource, &resource->labels), inbound.name});
  }
  std::stable_sort(view.endpoints.begin() + static_cast<std::ptrdiff_t>(first), view.endpoints.end(),
                   [](const Endpoint& a, const Endpoint& b) { return a.port < b.port; });
}

}  // namespace

void add_to(Index& index, const std::string& service, const std::string& dataplane) {
  const NameSet* known = index.get(service);
  NameSet names = known == nullptr ? NameSet() : *known;
  if (names.insert(dataplane)) index.insert_or_assign(service, std::move(names));
}

void remove_from(Index& index, const std::string& service, const std::string& dataplane) {
  const NameSet* known = index.get(service);
  if (known == nullptr) return;
  NameSet names = *known;
  if (names.erase(dataplane) == 0) return;
  if (names.empty())
    index.erase(service);
  else
    index.insert_or_assign(service, std::move(names));
}

Services services_of(const SharedResource& dataplane) {
  Services out;
  if (dataplane == nullptr) return out;
  const Networking& networking = dataplane->spec_as<Dataplane>().networking;
  for (const Inbound& inbound : networking.inbound)
    if (inbound.state != InboundState::Ignored && !inbound.service().empty()) out.offered.insert(inbound.service());
  for (const Outbound& outbound : networking.outbound)
    if (outbound.backend_ref)
      out.called.insert(key_called(*outbound.backend_ref));
    else if (!outbound.service().empty())
      out.called.insert(outbound.service());
  return out;
}

std::shared_ptr<const ServiceView> build_view(const MeshSnapshot& mesh, const std::string& service) {
  const NameSet* providers = mesh.providers.get(service);
  if (providers == nullptr) return nullptr;
  auto view = std::make_shared<ServiceView>();
  view->name = service;
  for (const std::string& name : *providers)
    add_inbounds(
        mesh, mesh.dataplanes.at(name), [&](const Inbound& inbound) { return inbound.service() == service; }, *view);
  return view;
}

std::shared_ptr<const ServiceView> build_selected(const MeshSnapshot& mesh, const ServiceSelector& selector) {
  auto view = std::make_shared<ServiceView>();
  for (const auto& [name, dataplane] : mesh.dataplanes)
    if (selector.selects(*dataplane)) add_inbounds(mesh, dataplane, [](const Inbound&) { return true; }, *view);
  return view;
}

}  // namespace mesh::views
