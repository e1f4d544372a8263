#include "admission/membership.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace mesh {
namespace {

bool matches(const TagRules& rules, const Tags& tags) {
  return std::ranges::all_of(rules.tags, [&](const auto& rule) {
    const auto tag = tags.find(rule.first);
    const std::string value = tag == tags.end() ? std::string() : tag->second;
    return (rule.second == "*" && !value.empty()) || rule.second == value;
  });
}

void check_tag_set(const Tags& tags, const std::string& path, const DataplaneConstraints& constraints,
                   const std::string& mesh, Violations& violations) {
  const auto fits = [&](const TagRules& rules) { return matches(rules, tags); };
  if (!constraints.requirements.empty() && std::ranges::none_of(constraints.requirements, fits))
    violations.push_back(
        {path,
         fmt::format("cannot be a member of mesh \"{}\": {} fulfil none of the mesh's requirements", mesh, tags)});
  if (const auto rules = std::ranges::find_if(constraints.restrictions, fits); rules != constraints.restrictions.end())
    violations.push_back(
        {path, fmt::format("cannot be a member of mesh \"{}\": {} match the restriction {}", mesh, tags, rules->tags)});
}

}  // namespace

void check_membership(const Dataplane& dataplane, const Mesh& mesh, const std::string& mesh_name,
                      Violations& violations) {
  if (!mesh.constraints || !mesh.constraints->dataplane_proxy) return;
  const DataplaneConstraints& constraints = *mesh.constraints->dataplane_proxy;
  const Networking& networking = dataplane.networking;
  if (networking.gateway)
    check_tag_set(networking.gateway->tags, "networking.gateway.tags", constraints, mesh_name, violations);
  for (std::size_t i = 0; i < networking.inbound.size(); ++i)
    check_tag_set(networking.inbound[i].tags, at_index("networking.inbound", i) + ".tags", constraints, mesh_name,
                  violations);
}

void add_zone_tags(Dataplane& dataplane, const Mesh& mesh, const std::string& zone) {
  if (zone.empty()) return;
  const bool untagged_are_fine = mesh.mesh_services && mesh.mesh_services->mode == MeshServicesMode::Exclusive;
  for (Inbound& inbound : dataplane.networking.inbound)
    if (!inbound.tags.empty() || !untagged_are_fine) inbound.tags[kZoneTag] = zone;
  if (dataplane.networking.gateway) dataplane.networking.gateway->tags[kZoneTag] = zone;
}

}  // namespace mesh
