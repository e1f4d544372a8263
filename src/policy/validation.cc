#include "policy/validation.h"

#include <fmt/format.h>

#include <algorithm>

#include "model/describe.h"
#include "policy/match.h"

namespace mesh {
namespace {

using TagMap = std::optional<std::map<std::string, std::string>>;

bool is_set(const std::optional<std::string>& text) { return text && !text->empty(); }
bool is_set(const TagMap& tags) { return tags && !tags->empty(); }

// Collects what is wrong with one targetRef.
class TargetRefCheck {
 public:
  TargetRefCheck(const TargetRef& target, const std::string& path, std::vector<Violation>& violations)
      : target_(target), path_(path), violations_(violations) {}

  void add(std::string_view field, std::string reason) {
    violations_.push_back({field.empty() ? path_ : fmt::format("{}.{}", path_, field), std::move(reason)});
  }
  template <class T>
  void must_not_have(std::string_view field, const T& value) {
    if (is_set(value)) add(field, fmt::format("must not be set with kind {}", enum_name(target_.kind)));
  }
  void must_not_have_proxy_types() {
    if (target_.proxy_types && !target_.proxy_types->empty()) {
      add("proxyTypes", fmt::format("must not be set with kind {}", enum_name(target_.kind)));
    }
  }
  void proxy_types_must_name_some() {
    if (target_.proxy_types && target_.proxy_types->empty())
      add("proxyTypes", "must be left out or have at least one element");
  }
  void name_must_be_well_formed() {
    const std::string name = target_.name.value_or("");
    const bool good = std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
    if (!good) add("name", "may consist of lower case letters, digits, '-', '.' and '_' only");
  }
  void must_be_named_or_labelled() {
    if (!is_set(target_.labels) && !is_set(target_.name)) {
      add("", fmt::format("name or labels must be set when kind is {}", enum_name(target_.kind)));
    }
    must_not_have_both();
  }
  void must_not_have_both() {
    if (is_set(target_.labels) && (is_set(target_.name) || is_set(target_.namespace_))) {
      add("labels", "either labels, or name and namespace must be set");
    }
  }
  void tags_must_be_well_formed() {
    for (const auto& [tag, value] : target_.tags.value_or(std::map<std::string, std::string>())) {
      if (tag.empty()) add("tags", "tag name must not be empty");
      if (value.empty()) add(fmt::format("tags[\"{}\"]", tag), "tag value must not be empty");
    }
  }

 private:
  const TargetRef& target_;
  const std::string& path_;
  std::vector<Violation>& violations_;
};

bool is_spiffe_id(const std::string& id) {
  constexpr std::string_view kScheme = "spiffe://";
  if (!id.starts_with(kScheme)) return false;
  const std::string rest = id.substr(kScheme.size());
  const std::string domain = rest.substr(0, rest.find('/'));
  const auto is_common = [](char c) { return (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; };
  const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (domain.empty() ||
      !std::all_of(domain.begin(), domain.end(), [&](char c) { return is_common(c) || is_lower(c); })) {
    return false;
  }
  for (std::size_t at = domain.size(); at < rest.size();) {
    const std::size_t end = std::min(rest.find('/', at + 1), rest.size());
    const std::string segment = rest.substr(at + 1, end - at - 1);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (!std::all_of(segment.begin(), segment.end(),
                     [&](char c) { return is_common(c) || is_lower(c) || is_upper(c); })) {
      return false;
    }
    at = end;
  }
  return true;
}

bool is_dns_name(const std::string& name) {
  const auto is_alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.size() > 253) return false;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('.', at), name.size());
    const std::string label = name.substr(at, end - at);
    if (label.empty() || !is_alnum(label.front()) || !is_alnum(label.back())) return false;
    if (!std::all_of(label.begin(), label.end(), [&](char c) { return is_alnum(c) || c == '-'; })) return false;
    at = end + 1;
  }
  return true;
}

}  // namespace

void validate_target_ref(const TargetRef& target, const std::string& path, const TargetRefRules& rules,
                         std::vector<Violation>& violations) {
  TargetRefCheck check(target, path, violations);
  if (std::find(rules.kinds.begin(), rules.kinds.end(), target.kind) == rules.kinds.end()) {
    std::string allowed;
    for (const TargetKind kind : rules.kinds) allowed += (allowed.empty() ? "" : ", ") + enum_name(kind);
    check.add("kind", fmt::format("is {}; may be {} here", enum_name(target.kind), allowed));
    return;
  }
  check.must_not_have("mesh", target.mesh);
  switch (target.kind) {
    case TargetKind::Mesh:
      check.must_not_have("name", target.name);
      check.must_not_have("tags", target.tags);
      check.must_not_have("labels", target.labels);
      check.must_not_have("namespace", target.namespace_);
      check.must_not_have("sectionName", target.section_name);
      check.proxy_types_must_name_some();
      break;
    case TargetKind::Dataplane:
      check.must_not_have("tags", target.tags);
      check.must_not_have_proxy_types();
      check.must_not_have_both();
      if (!rules.section_name_on_dataplane && is_set(target.section_name)) {
        check.add("sectionName", "names an inbound; may be set in policies about inbounds only");
      }
      break;
    case TargetKind::MeshSubset:
      check.must_not_have("name", target.name);
      check.tags_must_be_well_formed();
      check.must_not_have("labels", target.labels);
      check.must_not_have("namespace", target.namespace_);
      check.must_not_have("sectionName", target.section_name);
      check.proxy_types_must_name_some();
      break;
    case TargetKind::MeshService:
    case TargetKind::MeshMultiZoneService:
      check.name_must_be_well_formed();
      check.must_not_have("tags", target.tags);
      check.must_not_have_proxy_types();
      check.must_be_named_or_labelled();
      break;
    case TargetKind::MeshHTTPRoute:
    case TargetKind::MeshExternalService:
      check.name_must_be_well_formed();
      check.must_not_have("tags", target.tags);
      check.must_not_have_proxy_types();
      check.must_not_have("sectionName", target.section_name);
      check.must_be_named_or_labelled();
      break;
    case TargetKind::MeshServiceSubset:
    case TargetKind::MeshGateway:
      if (!is_set(target.name)) check.add("name", fmt::format("must be set when kind is {}", enum_name(target.kind)));
      check.name_must_be_well_formed();
      check.must_not_have_proxy_types();
      check.tags_must_be_well_formed();
      if (target.kind == TargetKind::MeshGateway && !rules.gateway_tags) check.must_not_have("tags", target.tags);
      check.must_not_have("labels", target.labels);
      check.must_not_have("namespace", target.namespace_);
      check.must_not_have("sectionName", target.section_name);
      break;
  }
}

void validate_match(const Match& match, const std::string& path, std::vector<Violation>& violations) {
  std::string id = match.spiffe_id ? match.spiffe_id->value : std::string();
  // A prefix may end with a slash: without it "spiffe://shop" would also match the mesh "shop-2".
  if (match.spiffe_id && match.spiffe_id->type == SpiffeMatchType::Prefix && id.ends_with('/')) id.pop_back();
  if (match.spiffe_id && !is_spiffe_id(id)) {
    violations.push_back({path + ".spiffeID", "must be a valid SPIFFE ID, such as spiffe://default/backend"});
  }
  if (match.sni && !is_dns_name(match.sni->value)) {
    violations.push_back({path + ".sni.value", "must be a DNS name in lower case"});
  }
}

void validate_not_negative(const std::optional<Duration>& duration, const std::string& path,
                           std::vector<Violation>& violations) {
  if (duration && *duration < Duration::zero()) {
    violations.push_back({path, fmt::format("is {}; must not be negative", format_duration(*duration))});
  }
}

void validate_positive(const std::optional<Duration>& duration, const std::string& path,
                       std::vector<Violation>& violations) {
  if (duration && *duration <= Duration::zero()) {
    violations.push_back({path, fmt::format("is {}; must be more than 0s", format_duration(*duration))});
  }
}

void warn_of_deprecated_target(const std::optional<TargetRef>& target, std::vector<std::string>& warnings) {
  if (!target) return;
  switch (target->kind) {
    case TargetKind::MeshService:
    case TargetKind::MeshServiceSubset:
    case TargetKind::MeshSubset:
      warnings.push_back(fmt::format("{} as 'targetRef.kind' is deprecated, use Dataplane with labels instead",
                                     enum_name(target->kind)));
      break;
    case TargetKind::MeshHTTPRoute:
      warnings.push_back("MeshHTTPRoute as 'targetRef.kind' is deprecated, use it in spec.to[].targetRef");
      break;
    default: break;
  }
}

std::string index_path(std::string_view list, std::size_t index) { return fmt::format("{}[{}]", list, index); }

}  // namespace mesh
