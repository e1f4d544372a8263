// Which policies select a proxy, in which order they count, and what they say together. Pure functions.
//
// A policy selects by its top-level targetRef. Where several say something about the same field, the more specific
// targetRef wins; then what was written in the zone over what came from global; then by role; and among equals the
// smaller name. All lists here are in the order of growing precedence: merge from the front, and the last one wins.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "model/resource.h"
#include "model/target_ref.h"
#include "policy/match.h"
#include "policy/merge.h"
#include "policy/policy.h"

namespace mesh {

// The parts of a Dataplane that a policy selects.
struct Selection {
  std::vector<std::size_t> inbounds;  // indices into networking.inbound
  bool gateway = false;               // the Dataplane is a delegated gateway, and selected as such

  bool empty() const { return inbounds.empty() && !gateway; }
  bool has_inbound(std::size_t index) const {
    return std::find(inbounds.begin(), inbounds.end(), index) != inbounds.end();
  }
};

Selection select_by(const TargetRef& target, const Resource& policy, const Resource& dataplane, const Dataplane& spec);

// A policy that is only tried out: it must not change anything yet.
bool is_shadow(const Resource& policy);

// Whether the resource `policy`, of the kind `of`, concerns this Dataplane. When one changes, only the proxies for
// which this is true get their configuration built again.
bool concerns(const Policy& of, const Resource& policy, const Resource& dataplane);

// For Policy::target_of of a kind whose spec is `Spec`.
template <class Spec>
const TargetRef* target_in(const Resource& policy) {
  static const TargetRef whole_mesh;
  const Spec* spec = policy.spec.as<Spec>();
  if (spec == nullptr) return nullptr;
  return spec->target_ref ? &*spec->target_ref : &whole_mesh;
}

// Larger counts more.
struct Precedence {
  int kind = 0, detail = 0, origin = 0, role = 0;
  std::string name = {};  // the smaller counts more

  friend bool operator<(const Precedence& a, const Precedence& b) {
    if (const auto order =
            std::tie(a.kind, a.detail, a.origin, a.role) <=> std::tie(b.kind, b.detail, b.origin, b.role);
        order != 0) {
      return order < 0;
    }
    return a.name > b.name;
  }
};
// They differ at most in their names.
bool is_same_level(const Precedence& a, const Precedence& b);
Precedence precedence_of(const TargetRef& target, const Resource& policy);

// `Spec` is the spec of a policy kind: it has a member `std::optional<TargetRef> target_ref`.
template <class Spec>
struct Matched {
  SharedResource resource;
  const Spec* spec = nullptr;
  Selection selection;
  Precedence precedence;
};

template <class Spec>
std::vector<Matched<Spec>> matched_policies(const ProxyContext& proxy, const Kind& kind) {
  std::vector<Matched<Spec>> found;
  for (const SharedResource& resource : proxy.snapshot.policies_of(kind)) {
    const Spec* spec = resource->spec.as<Spec>();
    if (spec == nullptr) continue;
    const TargetRef& target = *target_in<Spec>(*resource);
    Selection selection = select_by(target, *resource, proxy.dataplane, proxy.spec);
    if (selection.empty() || is_shadow(*resource)) continue;
    found.push_back({resource, spec, std::move(selection), precedence_of(target, *resource)});
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.precedence < b.precedence; });
  return found;
}

// Where traffic goes: to a kuma.io/service, or to a resource (then `service` is empty).
struct Whither {
  const std::string& service;
  const envoy::Backend& backend;
};
// Whether an item of `to` is about traffic that goes there.
bool is_about(const TargetRef& to, const Whither& whither);
// Of what is said of a backend: 0 of everything, 1 of all of it, 2 of one of its ports.
int detail_of_backend(const TargetRef& to, const Whither& whither);

// What the `to` lists say together about traffic that goes there; nothing when none is about it. Of policies that
// differ in nothing but their names the one counts more that says more precisely where the traffic goes.
template <class Conf, class Spec>
std::optional<Conf> conf_to(const std::vector<Matched<Spec>>& policies, const Whither& whither) {
  std::optional<Conf> merged;
  for (std::size_t begin = 0, end = 0; begin < policies.size(); begin = end) {
    while (end < policies.size() && is_same_level(policies[begin].precedence, policies[end].precedence)) ++end;
    for (const int detail : {0, 1, 2}) {
      for (std::size_t i = begin; i < end; ++i) {
        if (!policies[i].spec->to) continue;
        for (const auto& item : *policies[i].spec->to) {
          if (is_about(item.target_ref, whither) && detail_of_backend(item.target_ref, whither) == detail)
            merging::merge_field(merged, std::optional<Conf>(item.default_));
        }
      }
    }
  }
  return merged;
}
template <class Conf, class Spec>
std::optional<Conf> conf_to(const std::vector<Matched<Spec>>& policies, const std::string& service) {
  return conf_to<Conf>(policies, Whither{service, {}});
}
// Of a listener or cluster of role Outbound.
template <class Conf, class Spec, class Draft>
std::optional<Conf> conf_to_draft(const std::vector<Matched<Spec>>& policies, const Draft& draft) {
  return conf_to<Conf>(policies, Whither{draft.service, draft.backend});
}

// One statement about what comes in, from the callers that `match` names, or from all.
template <class Conf>
struct InboundRule {
  std::optional<Match> match;
  Conf conf;
};

// The `rules` of the policies for one inbound, one per match; a policy without rules has its `from` taken as rules for
// all callers.
template <class Conf, class Spec>
std::vector<InboundRule<Conf>> inbound_rules(const std::vector<Matched<Spec>>& policies, std::size_t inbound) {
  std::vector<InboundRule<Conf>> result;
  for (const Matched<Spec>& policy : policies) {
    if (!policy.selection.has_inbound(inbound)) continue;
    if (policy.spec->rules && !policy.spec->rules->empty()) {
      for (const auto& rule : *policy.spec->rules) {
        if (!rule.matches || rule.matches->empty())
          result.push_back({std::nullopt, rule.default_});
        else
          for (const Match& match : *rule.matches) result.push_back({match, rule.default_});
      }
    } else if (policy.spec->from) {
      for (const auto& item : *policy.spec->from) result.push_back({std::nullopt, item.default_});
    }
  }
  return result;
}

// What the rules for all callers say together.
template <class Conf>
std::optional<Conf> conf_for_all_callers(const std::vector<InboundRule<Conf>>& rules) {
  std::optional<Conf> merged;
  for (const auto& rule : rules) {
    if (!rule.match) merging::merge_field(merged, std::optional<Conf>(rule.conf));
  }
  return merged;
}

}  // namespace mesh
