#include "pipeline/work.h"

namespace mesh {
namespace {

void add_callers(const MeshSnapshot& mesh, const std::set<std::string>& services, const Work& work,
                 const std::set<std::string>& connected, std::map<std::string, Work>& out) {
  for (const std::string& service : services) {
    const NameSet* callers = mesh.callers.get(service);
    if (callers == nullptr) continue;
    for (const std::string& caller : *callers)
      if (connected.contains(caller)) out[caller].merge(work);
  }
}

bool concerns(const PolicyChange& change, const Resource& dataplane, const Selects& selects) {
  return (change.before && selects(*change.before, dataplane)) || (change.after && selects(*change.after, dataplane));
}

}  // namespace

std::map<std::string, Work> work_for(const MeshAffected& affected, const MeshSnapshot& mesh,
                                     const std::set<std::string>& connected, const Selects& selects) {
  std::map<std::string, Work> out;
  if (affected.whole) {
    for (const std::string& name : connected) out[name] = Work::everything();
    return out;
  }
  for (const std::string& name : affected.dataplanes)
    if (connected.contains(name)) out[name] = Work::everything();
  add_callers(mesh, affected.shapes, {.full = true}, connected, out);
  add_callers(mesh, affected.endpoints, {.endpoints = true}, connected, out);
  for (const PolicyChange& change : affected.policies)
    for (const std::string& name : connected) {
      const SharedResource* dataplane = mesh.dataplanes.get(name);
      if (dataplane != nullptr && concerns(change, **dataplane, selects)) out[name].merge({.full = true});
    }
  return out;
}

}  // namespace mesh
