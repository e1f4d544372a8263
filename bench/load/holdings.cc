#include "load/holdings.h"

#include <algorithm>

namespace mesh::load {

Verdict Holdings::take(Speaks speaks, const HeardResponse& response) {
  Type& type = of(response.type);
  const bool is_whole =
      speaks == Speaks::StateOfTheWorld && (response.type == XdsType::Cluster || response.type == XdsType::Listener);
  bool is_news = !type.is_answered;
  Verdict verdict;
  std::set<std::string, std::less<>> mentioned;
  for (const HeardResource& heard : response.resources) {
    const std::uint64_t hash = std::hash<std::string_view>{}(heard.body);
    if (is_whole) mentioned.emplace(heard.name);
    auto found = type.resources.find(heard.name);
    bool is_new = found == type.resources.end() || found->second.hash != hash;
    if (found == type.resources.end()) found = type.resources.emplace(std::string(heard.name), Resource()).first;
    found->second.version = heard.version;
    if (is_new) {
      found->second.hash = hash;
      if (response.type == XdsType::Endpoint) found->second.endpoints = count_endpoints(heard.body);
      note_references(response.type, heard.name, heard.body, hash);
    }
    if (response.type == XdsType::Endpoint) {
      if (const auto waits = waiting_.find(heard.name); waits != waiting_.end()) {
        waiting_.erase(waits);
        is_new = true;
      }
    }
    ++verdict.resources;
    verdict.useless_resources += is_new ? 0 : 1;
    is_news |= is_new;
  }
  const auto remove = [&](std::string_view name) {
    const auto found = type.resources.find(name);
    if (found == type.resources.end()) return;
    is_news = true;
    if (response.type == XdsType::Cluster) {
      if (const auto refers = cluster_references_.find(name); refers != cluster_references_.end())
        cluster_references_.erase(refers);
    } else if (response.type == XdsType::Listener) {
      if (const auto refers = listener_references_.find(name); refers != listener_references_.end())
        listener_references_.erase(refers);
    }
    type.resources.erase(found);
  };
  for (const std::string_view name : response.removed) remove(name);
  if (is_whole) {
    std::vector<std::string> gone;
    for (const auto& [name, resource] : type.resources)
      if (!mentioned.contains(name)) gone.push_back(name);
    for (const std::string& name : gone) remove(name);
  }
  type.version = response.version;
  type.is_answered = true;
  verdict.is_useless = !is_news;
  return verdict;
}

void Holdings::note_references(XdsType type, std::string_view name, std::string_view body, std::uint64_t hash) {
  if (type == XdsType::Cluster) {
    const References& refers = references_of(type, body, hash);
    cluster_references_[std::string(name)] = &refers;
    if (refers.wants_endpoints) waiting_.emplace(name);
  } else if (type == XdsType::Listener) {
    listener_references_[std::string(name)] = &references_of(type, body, hash);
  }
}

std::vector<std::string> Holdings::referred(XdsType type) const {
  std::vector<std::string> out;
  if (type == XdsType::Endpoint) {
    for (const auto& [name, refers] : cluster_references_)
      if (refers->wants_endpoints) out.push_back(name);
    return out;
  }
  for (const auto* table : {&cluster_references_, &listener_references_})
    for (const auto& [name, refers] : *table) {
      const auto& list = type == XdsType::Secret ? refers->secrets : refers->routes;
      out.insert(out.end(), list.begin(), list.end());
    }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

bool Holdings::has_all(XdsType type) const {
  const Type& held = of(type);
  if (type == XdsType::Cluster || type == XdsType::Listener) return held.is_answered;
  return std::all_of(held.names.begin(), held.names.end(),
                     [&](const std::string& name) { return held.resources.contains(name); });
}

}  // namespace mesh::load
