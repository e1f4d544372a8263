#include "naming/hostname_book.h"

#include <fmt/format.h>

#include "model/service.h"

namespace mesh {
namespace {

const std::optional<LabelSelector>& selector_for(const GeneratorSelector& selector, const Kind* kind) {
  if (kind == &kMeshServiceKind) return selector.mesh_service;
  return kind == &kMeshExternalServiceKind ? selector.mesh_external_service : selector.mesh_multi_zone_service;
}

std::string label_or(const Labels& labels, const char* name, const std::string& otherwise) {
  const auto found = labels.find(name);
  return found == labels.end() || found->second.empty() ? otherwise : found->second;
}

Condition generated(std::string status, std::string reason, std::string message) {
  return {kGeneratedCondition, std::move(status), std::move(reason), std::move(message), {}};
}

}  // namespace

std::optional<HostnameBook::Rendered> HostnameBook::render(const Generator& generator, const ResourceKey& key,
                                                           const Service& service) const {
  const std::optional<LabelSelector>& selector = selector_for(generator.selector, key.kind);
  if (!selector || !selector->matches(service.labels)) return std::nullopt;
  if (!generator.parsed) return Rendered{{}, generator.parsed.error().text};
  const HostnameFields fields{.name = key.name,
                              .display_name = label_or(service.labels, "kuma.io/display-name", key.name),
                              .namespace_ = label_or(service.labels, "k8s.kuma.io/namespace", {}),
                              .mesh = key.mesh,
                              .zone = label_or(service.labels, "kuma.io/zone", zone_),
                              .labels = &service.labels};
  Result<std::string> hostname = generator.parsed->render(fields);
  return hostname ? Rendered{*std::move(hostname), {}} : Rendered{{}, hostname.error().text};
}

HostnameBook::Claim HostnameBook::claim_of(const ResourceKey& key, const Service& service,
                                           const std::string& name) const {
  const Generator& generator = generators_.at(name);
  return {generator.is_local ? 0 : 1, generator.created, name, service.created, key.name};
}

void HostnameBook::change_claim(const ResourceKey& key, const std::string& hostname, const Claim& claim, bool add) {
  const Name name{key.kind, key.mesh, hostname};
  std::set<Claim>& claims = claims_[name];
  const std::string before = claims.empty() ? std::string() : claims.begin()->service;
  if (add)
    claims.insert(claim);
  else
    claims.erase(claim);
  if (const std::string after = claims.empty() ? std::string() : claims.begin()->service; before != after)
    for (const Claim& each : claims) touched_.insert({key.kind, key.mesh, each.service});
  if (claims.empty()) claims_.erase(name);
}

void HostnameBook::set(const ResourceKey& key, Service& service, const std::string& generator,
                       std::optional<Rendered> rendered) {
  const auto before = service.rendered.find(generator);
  const bool is_same = before == service.rendered.end() ? !rendered : rendered && *rendered == before->second;
  if (is_same) return;
  touched_.insert(key);
  const Claim claim = claim_of(key, service, generator);
  if (before != service.rendered.end()) {
    if (!before->second.hostname.empty()) change_claim(key, before->second.hostname, claim, false);
    service.rendered.erase(before);
  }
  if (!rendered) return;
  if (!rendered->hostname.empty()) change_claim(key, rendered->hostname, claim, true);
  service.rendered.emplace(generator, *std::move(rendered));
}

void HostnameBook::on_generator(const Resource& resource) {
  const auto* spec = resource.spec.as<HostnameGenerator>();
  if (spec == nullptr) return;
  Generator generator{is_local(resource), resource.created, spec->selector, HostnameTemplate::parse(spec->template_)};
  const std::string& name = resource.key.name;
  // Its place among the others is a part of every claim: it must not change under them.
  if (const auto known = generators_.find(name);
      known != generators_.end() &&
      (known->second.is_local != generator.is_local || known->second.created != generator.created))
    on_generator_gone(name);
  const Generator& stored = generators_.insert_or_assign(name, std::move(generator)).first->second;
  for (auto& [key, service] : services_) set(key, service, name, render(stored, key, service));
}

void HostnameBook::on_generator_gone(const std::string& name) {
  if (!generators_.contains(name)) return;
  for (auto& [key, service] : services_) set(key, service, name, std::nullopt);
  generators_.erase(name);
}

void HostnameBook::on_service(const Resource& resource) {
  auto [place, is_new] = services_.try_emplace(resource.key);
  Service& service = place->second;
  if (!is_new && service.created != resource.created) {
    on_service_gone(resource.key);
    on_service(resource);
    return;
  }
  if (!is_new && service.labels == resource.labels) return;
  service.labels = resource.labels;
  service.created = resource.created;
  for (const auto& [name, generator] : generators_)
    set(resource.key, service, name, render(generator, resource.key, service));
}

void HostnameBook::on_service_gone(const ResourceKey& key) {
  const auto found = services_.find(key);
  if (found == services_.end()) return;
  for (const auto& [name, generator] : generators_) set(key, found->second, name, std::nullopt);
  services_.erase(found);
  touched_.erase(key);
}

HostnameBook::Outcome HostnameBook::outcome_of(const ResourceKey& key) const {
  Outcome out;
  const auto found = services_.find(key);
  if (found == services_.end()) return out;
  for (const auto& [generator, rendered] : found->second.rendered) {
    const GeneratorRef ref{generator};
    if (rendered.hostname.empty()) {
      out.generators.push_back({ref, {generated("False", "TemplateError", rendered.problem)}});
      continue;
    }
    const std::string& winner = claims_.at({key.kind, key.mesh, rendered.hostname}).begin()->service;
    if (winner != key.name) {
      out.generators.push_back({ref,
                                {generated("False", "Collision",
                                           fmt::format("Hostname collision with {}: {} has {}", key.kind->name, winner,
                                                       rendered.hostname))}});
      continue;
    }
    out.addresses.push_back({rendered.hostname, "HostnameGenerator", ref});
    out.generators.push_back({ref, {generated("True", "Generated", {})}});
  }
  return out;
}

}  // namespace mesh
