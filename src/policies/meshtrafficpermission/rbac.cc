#include "policies/meshtrafficpermission/rbac.h"

#include <envoy/config/rbac/v3/rbac.pb.h>
#include <envoy/extensions/matching/common_inputs/network/v3/network_inputs.pb.h>
#include <envoy/extensions/matching/common_inputs/ssl/v3/ssl_inputs.pb.h>
#include <xds/type/matcher/v3/matcher.pb.h>

#include <algorithm>

#include "envoy/names.h"
#include "envoy/pack.h"

namespace mesh {
namespace {

namespace rbac = ::envoy::config::rbac::v3;
namespace inputs = ::envoy::extensions::matching::common_inputs;
using ::xds::type::matcher::v3::Matcher;
using Predicate = Matcher::MatcherList::Predicate;

// The same tag with two values: a caller is never both.
bool are_disjoint(const Tags& a, const Tags& b) {
  return std::any_of(a.begin(), a.end(), [&](const auto& tag) {
    const auto other = b.find(tag.first);
    return other != b.end() && other->second != tag.second;
  });
}

// Everybody that `narrow` names is also named by `wide`.
bool contains(const Tags& wide, const Tags& narrow) {
  return std::all_of(wide.begin(), wide.end(), [&](const auto& tag) {
    const auto other = narrow.find(tag.first);
    return other != narrow.end() && other->second == tag.second;
  });
}

rbac::Principal with_tag(const std::string& tag, const std::string& value, const std::string& mesh) {
  rbac::Principal principal;
  principal.mutable_authenticated()->mutable_principal_name()->set_exact(
      tag == kServiceTag ? envoy::names::spiffe_id(mesh, value) : envoy::names::tag_id(tag, value));
  return principal;
}

void set_all_of(const std::vector<rbac::Principal>& parts, rbac::Principal& principal) {
  if (parts.empty())
    principal.set_any(true);
  else if (parts.size() == 1)
    principal = parts.front();
  else
    for (const auto& part : parts) *principal.mutable_and_ids()->add_ids() = part;
}

std::vector<rbac::Principal> with_tags(const Tags& tags, const std::string& mesh) {
  std::vector<rbac::Principal> parts;
  for (const auto& [tag, value] : tags) parts.push_back(with_tag(tag, value, mesh));
  return parts;
}

void add_policy(const std::vector<CallerSet>& callers, const std::string& mesh, rbac::RBAC& rules) {
  if (callers.empty()) return;
  auto& policy = (*rules.mutable_policies())["MeshTrafficPermission"];
  policy.add_permissions()->set_any(true);
  for (const CallerSet& set : callers) {
    std::vector<rbac::Principal> parts = with_tags(set.caller, mesh);
    for (const Tags& exception : set.except)
      set_all_of(with_tags(exception, mesh), *parts.emplace_back().mutable_not_id());
    set_all_of(parts, *policy.add_principals());
  }
}

template <class Input>
auto& add_input(const char* name, Predicate& predicate) {
  auto& single = *predicate.mutable_single_predicate();
  single.mutable_input()->set_name(name);
  envoy::pack_any(Input(), *single.mutable_input()->mutable_typed_config());
  return *single.mutable_value_match();
}

Predicate caller_predicate(const Match& match) {
  std::vector<Predicate> parts;
  if (match.spiffe_id) {
    auto& value = add_input<inputs::ssl::v3::UriSanInput>("envoy.matching.inputs.uri_san", parts.emplace_back());
    if (match.spiffe_id->type == SpiffeMatchType::Exact)
      value.set_exact(match.spiffe_id->value);
    else
      value.set_prefix(match.spiffe_id->value);
  }
  if (match.sni) {
    add_input<inputs::network::v3::ServerNameInput>("envoy.matching.inputs.server_name", parts.emplace_back())
        .set_exact(match.sni->value);
  }
  if (parts.size() == 1) return parts.front();
  Predicate all;
  for (const Predicate& part : parts) *all.mutable_and_matcher()->add_predicate() = part;
  return all;
}

void set_action(rbac::RBAC::Action what, const std::string& name, Matcher::OnMatch& on_match) {
  rbac::Action action;
  action.set_name(name);
  action.set_action(what);
  on_match.mutable_action()->set_name("envoy.filters.rbac.action");
  envoy::pack_any(action, *on_match.mutable_action()->mutable_typed_config());
}

void add_matches(const std::vector<Match>& matches, rbac::RBAC::Action action, const std::string& name,
                 Matcher& matcher) {
  std::vector<Predicate> callers;
  for (const Match& match : matches) {
    if (match.spiffe_id || match.sni) callers.push_back(caller_predicate(match));
  }
  if (callers.empty()) return;
  auto& field = *matcher.mutable_matcher_list()->add_matchers();
  if (callers.size() == 1)
    *field.mutable_predicate() = callers.front();
  else
    for (const Predicate& caller : callers) *field.mutable_predicate()->mutable_or_matcher()->add_predicate() = caller;
  set_action(action, name, *field.mutable_on_match());
}

const std::vector<Match>& of(const std::optional<std::vector<Match>>& matches) {
  static const std::vector<Match> none;
  return matches ? *matches : none;
}

void decide_all_others(rbac::RBAC::Action action, Matcher& matcher) {
  set_action(action, "default", *matcher.mutable_on_no_match());
}

}  // namespace

Tags caller_tags(const TargetRef& caller) {
  Tags tags = caller.tags.value_or(Tags());
  if (caller.kind == TargetKind::MeshService || caller.kind == TargetKind::MeshServiceSubset) {
    tags[kServiceTag] = caller.name.value_or("");
  }
  return tags;
}

std::vector<CallerSet> callers_with(const std::vector<CallerAction>& actions,
                                    const std::vector<PermissionAction>& wanted) {
  const auto is_wanted = [&](PermissionAction action) {
    return std::find(wanted.begin(), wanted.end(), action) != wanted.end();
  };
  std::vector<CallerSet> callers;
  for (std::size_t i = 0; i < actions.size(); ++i) {
    if (!is_wanted(actions[i].action)) continue;
    CallerSet set{actions[i].caller, {}};
    bool overruled = false;
    for (std::size_t j = i + 1; j < actions.size() && !overruled; ++j) {
      const Tags& later = actions[j].caller;
      if (contains(later, set.caller))
        overruled = true;  // whatever it says, it says it of all of these
      else if (!is_wanted(actions[j].action) && !are_disjoint(later, set.caller))
        set.except.push_back(later);
    }
    if (!overruled) callers.push_back(std::move(set));
  }
  return callers;
}

void allow_callers(const std::vector<CallerSet>& callers, const std::string& mesh, rbac::RBAC& rules) {
  rules.set_action(rbac::RBAC::ALLOW);
  add_policy(callers, mesh, rules);
}

void deny_callers(const std::vector<CallerSet>& callers, const std::string& mesh, rbac::RBAC& rules) {
  rules.set_action(rbac::RBAC::DENY);
  add_policy(callers, mesh, rules);
}

void match_permissions(const std::vector<NamedRule>& rules, Matcher& matcher) {
  for (const NamedRule& rule : rules) add_matches(of(rule.conf->deny), rbac::RBAC::DENY, rule.name, matcher);
  for (const NamedRule& rule : rules) {
    std::vector<Match> allowed = of(rule.conf->allow);
    const auto& shadow = of(rule.conf->allow_with_shadow_deny);
    allowed.insert(allowed.end(), shadow.begin(), shadow.end());
    add_matches(allowed, rbac::RBAC::ALLOW, rule.name, matcher);
  }
  decide_all_others(rbac::RBAC::DENY, matcher);
}

bool match_shadow_refusals(const std::vector<NamedRule>& rules, Matcher& matcher) {
  for (const NamedRule& rule : rules)
    add_matches(of(rule.conf->allow_with_shadow_deny), rbac::RBAC::DENY, rule.name, matcher);
  if (!matcher.has_matcher_list()) return false;
  decide_all_others(rbac::RBAC::ALLOW, matcher);  // counted as refused are these and nobody else
  return true;
}

}  // namespace mesh
