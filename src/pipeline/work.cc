#include "pipeline/work.h"

namespace mesh {
namespace {

// Those that enumerate it, or a backend that has these endpoints too.
void add_callers(const MeshSnapshot& mesh, const std::string& called, const Work& work,
                 const std::set<std::string>& connected, std::map<std::string, Work>& out) {
  const NameSet* callers = mesh.callers.get(called);
  if (callers == nullptr) return;
  for (const std::string& caller : *callers)
    if (connected.contains(caller)) out[caller].merge(work);
}

void add_touched(const MeshAffected& affected, const MeshSnapshot& mesh, const ConnectedProxies& connected,
                 std::map<std::string, Work>& out) {
  if (affected.names) {
    Work work;
    work.touched = std::make_shared<const Touched>(Touched{.outbounds = {}, .endpoints = {}, .names = true});
    for (const std::string& name : connected.naming) out[name].merge(work);
  }
  if (affected.outbounds.empty() && affected.endpoints.empty()) return;
  Work work;
  work.touched = std::make_shared<const Touched>(
      Touched{.outbounds = affected.outbounds, .endpoints = affected.endpoints, .names = false});
  for (const std::string& name : connected.binding) out[name].merge(work);
  bool any_backend = false;
  for (const auto& [key, before] : affected.outbounds) {
    const std::string service = service_of_key(key);
    add_callers(mesh, service.empty() ? key : service, work, connected.all, out);
    any_backend |= service.empty();
  }
  for (const std::string& view : affected.endpoints) {
    add_callers(mesh, view, work, connected.all, out);
    const NameSet* users = mesh.users.get(view);
    if (users == nullptr) continue;
    any_backend = true;
    for (const std::string& key : *users) add_callers(mesh, key, work, connected.all, out);
  }
  if (any_backend) add_callers(mesh, kAnyBackend, work, connected.all, out);
}

bool concerns(const PolicyChange& change, const Resource& dataplane, const Selects& selects) {
  return (change.before && selects(*change.before, dataplane)) || (change.after && selects(*change.after, dataplane));
}

}  // namespace

void Work::merge(const Work& other) {
  full |= other.full;
  secrets |= other.secrets;
  if (full) {
    touched = nullptr;  // all of it is made anyway
  } else if (touched == nullptr) {
    touched = other.touched;
  } else if (other.touched != nullptr && other.touched != touched) {
    auto both = std::make_shared<Touched>(*touched);
    both->merge(*other.touched);
    touched = std::move(both);
    constexpr std::size_t kMany = 1000;
    if (touched->outbounds.size() > kMany) {
      full = true;
      touched = nullptr;
    }
  }
}

std::map<std::string, Work> work_for(const MeshAffected& affected, const MeshSnapshot& mesh,
                                     const ConnectedProxies& connected, const Selects& selects) {
  std::map<std::string, Work> out;
  if (affected.whole) {
    for (const std::string& name : connected.all) out[name] = Work::everything();
    return out;
  }
  for (const std::string& name : affected.dataplanes)
    if (connected.all.contains(name)) out[name] = Work::everything();
  add_touched(affected, mesh, connected, out);
  for (const PolicyChange& change : affected.policies)
    for (const std::string& name : connected.all) {
      const SharedResource* dataplane = mesh.dataplanes.get(name);
      if (dataplane != nullptr && concerns(change, **dataplane, selects)) out[name].merge({.full = true});
    }
  return out;
}

}  // namespace mesh
