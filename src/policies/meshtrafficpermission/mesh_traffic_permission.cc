#include "policies/meshtrafficpermission/mesh_traffic_permission.h"

#include "policy/validation.h"

namespace mesh {
namespace {

bool has_any(const auto& list) { return list && !list->empty(); }

void validate_matches(const std::optional<std::vector<Match>>& matches, const std::string& path,
                      std::vector<Violation>& violations) {
  if (!matches) return;
  for (std::size_t i = 0; i < matches->size(); ++i) {
    const std::string match_path = index_path(path, i);
    validate_match((*matches)[i], match_path, violations);
    if (!(*matches)[i].spiffe_id && !(*matches)[i].sni) {
      violations.push_back({match_path, "must have at least one of 'spiffeID' and 'sni'"});
    }
  }
}

void validate(const AnySpec& any, std::vector<Violation>& violations) {
  const auto& spec = *any.as<MeshTrafficPermission>();
  if (spec.target_ref) {
    validate_target_ref(*spec.target_ref, "spec.targetRef",
                        {.kinds = {TargetKind::Mesh, TargetKind::MeshSubset, TargetKind::MeshService,
                                   TargetKind::MeshServiceSubset, TargetKind::Dataplane},
                         .section_name_on_dataplane = true},
                        violations);
  }
  if (has_any(spec.from) && has_any(spec.rules))
    violations.push_back({"spec", "'from' must be empty when 'rules' is used"});
  if (!has_any(spec.from) && !has_any(spec.rules))
    violations.push_back({"spec", "must have at least one of 'from' and 'rules'"});
  for (std::size_t i = 0; has_any(spec.rules) && i < spec.rules->size(); ++i) {
    const PermissionRuleConf& conf = (*spec.rules)[i].default_;
    const std::string path = index_path("spec.rules", i);
    if (!has_any(conf.deny) && !has_any(conf.allow) && !has_any(conf.allow_with_shadow_deny)) {
      violations.push_back({path, "must have at least one of 'allow', 'allowWithShadowDeny' and 'deny'"});
    }
    validate_matches(conf.allow, path + ".allow", violations);
    validate_matches(conf.allow_with_shadow_deny, path + ".allowWithShadowDeny", violations);
    validate_matches(conf.deny, path + ".deny", violations);
  }
  for (std::size_t i = 0; has_any(spec.from) && i < spec.from->size(); ++i) {
    const std::string path = index_path("spec.from", i);
    validate_target_ref(
        (*spec.from)[i].target_ref, path + ".targetRef",
        {.kinds = {TargetKind::Mesh, TargetKind::MeshSubset, TargetKind::MeshService, TargetKind::MeshServiceSubset}},
        violations);
    if (!(*spec.from)[i].default_.action) violations.push_back({path + ".default.action", "must be set"});
  }
}

void warn(const AnySpec& any, std::vector<std::string>& warnings) {
  const auto& spec = *any.as<MeshTrafficPermission>();
  if (has_any(spec.from)) warnings.push_back("'from' is deprecated, use 'rules' instead");
  warn_of_deprecated_target(spec.target_ref, warnings);
}

Kind make_kind() {
  Kind kind = describe_kind<MeshTrafficPermission>({.name = "MeshTrafficPermission",
                                                    .path = "meshtrafficpermissions",
                                                    .short_name = "mtp",
                                                    .singular = "Mesh Traffic Permission",
                                                    .plural = "Mesh Traffic Permissions",
                                                    .is_policy = true,
                                                    .policy = {.has_from = true, .has_rules = true}});
  kind.validate = &validate;
  kind.warn = &warn;
  return kind;
}

}  // namespace

const Kind kMeshTrafficPermissionKind = make_kind();

}  // namespace mesh
