// What the peer says: requests, answers, and what follows for what we know of it.
#include "delta/discovery_state.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "delta/sorted.h"

namespace mesh {
namespace {

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

NamedResources sorted(NamedResources resources) {
  const auto out_of_order = [](const auto& a, const auto& b) { return !by_name(a, b); };
  if (!resources || std::adjacent_find(resources->begin(), resources->end(), out_of_order) == resources->end())
    return resources;
  auto copy = *resources;
  std::stable_sort(copy.begin(), copy.end(), by_name);
  const auto repeated = std::ranges::unique(copy, {}, name_in);
  copy.erase(repeated.begin(), repeated.end());
  return std::make_shared<const NamedResourceList>(std::move(copy));
}

}  // namespace

bool DiscoveryState::TypeState::is_subscribed(const std::string& name) const {
  return wants_all || std::binary_search(names.begin(), names.end(), name);
}

// What the peer has of this resource is not known any more.
void DiscoveryState::TypeState::forget(const std::string& name) {
  const auto drop = [&](std::vector<Edition>& list) {
    if (const auto at = find_by_name(list, name); at != list.end()) list.erase(at);
  };
  drop(held);
  drop(tried);
  if (in_flight) drop(in_flight->changes);
}

DiscoveryState::DiscoveryState(Encoding encoding, const DiscoveryPlan& plan)
    : encoding_(encoding), plan_(plan), removal_order_(plan.size()), types_(plan.size()) {
  std::iota(removal_order_.begin(), removal_order_.end(), 0);
  std::stable_sort(removal_order_.begin(), removal_order_.end(),
                   [&](std::size_t a, std::size_t b) { return plan[a].removal_rank < plan[b].removal_rank; });
}

Result<Actions> DiscoveryState::on_request(std::size_t type, SotwRequest request) {
  Actions actions;
  TypeState& state = types_[type];
  const bool first = !state.asked;
  // An old nonce: the peer had not seen our last push yet. Its answer to that one will say everything again.
  if (!first && request.nonce != state.last_nonce) return actions;
  if (request.names.size() > kMaxNames) return invalid("resource_names", "too many names in one subscription");
  if (first) {
    state.asked = true;
    if (is_whole(type)) state.held_version = std::move(request.version);
  } else {
    on_answer(type, request.nonce, request.refusal, actions);
  }

  sort_unique(request.names);
  const bool star = std::binary_search(request.names.begin(), request.names.end(), "*");
  if (star) std::erase(request.names, "*");
  const bool wants_all =
      plan_[type].wildcard != Wildcard::Never &&
      (star || (request.names.empty() && !state.named_before && plan_[type].wildcard == Wildcard::Unnamed));
  state.named_before |= star || !request.names.empty();
  if (first || wants_all != state.wants_all || request.names != state.names) {
    state.owes_answer |= wants_all && !state.wants_all;
    state.wants_all = wants_all;
    state.names = std::move(request.names);
    forget_unsubscribed(type);
    on_event(state);
  }
  state.awaits_subscription = false;
  advance(actions);
  return actions;
}

Result<Actions> DiscoveryState::on_request(std::size_t type, DeltaRequest request) {
  Actions actions;
  TypeState& state = types_[type];
  const DiscoveryType& rules = plan_[type];
  const bool first = !state.asked;
  state.asked = true;
  if (!first) on_answer(type, request.nonce, request.refusal, actions);
  if (state.names.size() + request.subscribe.size() > kMaxNames) {
    return invalid("resource_names_subscribe", "too many names in one subscription");
  }

  const bool wanted_all = state.wants_all;
  if (first && request.subscribe.empty()) {
    state.wants_all = rules.wildcard == Wildcard::Unnamed;
  } else if (!request.subscribe.empty()) {
    // With the first names that are given, an unnamed wildcard ends; one that was asked for by "*" stays.
    if (!state.named_before) state.wants_all = false;
    state.named_before = true;
  }
  for (auto& name : request.subscribe) {
    if (name == "*") {
      state.wants_all = rules.wildcard != Wildcard::Never;
      continue;
    }
    // Asking again means that the peer dropped it in between: it is sent even when it has not changed.
    if (!first) state.forget(name);
    state.names.push_back(std::move(name));
  }
  sort_unique(state.names);
  for (const auto& name : request.unsubscribe) {
    if (name == "*") {
      state.wants_all = false;
      continue;
    }
    state.forget(name);
    const auto at = std::lower_bound(state.names.begin(), state.names.end(), name);
    if (at != state.names.end() && *at == name) state.names.erase(at);
  }
  if (first) {
    state.is_resumed = !request.initial_versions.empty();
    for (auto& [name, version] : request.initial_versions) state.held.push_back({make_named(name, std::move(version))});
  }
  state.owes_answer |= state.wants_all && !wanted_all && state.held.empty();
  if (!request.subscribe.empty() || !request.unsubscribe.empty() || first) {
    forget_unsubscribed(type);
    on_event(state);
  }
  if (!request.subscribe.empty()) state.awaits_subscription = false;
  advance(actions);
  return actions;
}

Actions DiscoveryState::on_offer(std::span<const NamedResources> offer) {
  Actions actions;
  for (std::size_t type = 0; type < offer.size(); ++type) {
    const NamedResources& resources = offer[type];
    if (!resources) continue;
    TypeState& state = types_[type];
    state.awaits_subscription = false;
    if (resources == state.offered) continue;
    state.offered = sorted(resources);
    carry_over(type);
    on_event(state);
  }
  advance(actions);
  return actions;
}

Actions DiscoveryState::set_paused(bool paused) {
  Actions actions;
  is_paused_ = paused;
  advance(actions);
  return actions;
}

Actions DiscoveryState::set_removals_held(bool held) {
  Actions actions;
  are_removals_held_ = held;
  advance(actions);
  return actions;
}

void DiscoveryState::on_event(TypeState& state) {
  state.changes_stale = state.removals_stale = true;
  state.holds = false;
}

void DiscoveryState::forget_unsubscribed(std::size_t type) {
  TypeState& state = types_[type];
  const auto unsubscribed = [&](const Edition& held) { return !state.is_subscribed(held.name()); };
  std::erase_if(state.held, unsubscribed);
  std::erase_if(state.tried, unsubscribed);
  if (state.in_flight && !is_whole(type)) std::erase_if(state.in_flight->changes, unsubscribed);
}

void DiscoveryState::on_answer(std::size_t type, const std::string& nonce, std::optional<std::string>& refusal,
                               Actions& actions) {
  TypeState& state = types_[type];
  if (!state.in_flight || nonce != state.in_flight->nonce) return;
  on_event(state);
  if (!refusal) {
    actions.push_back(Accepted{type, state.in_flight->version});
    note_retried(type);
    take_over(type);
    return;
  }
  std::string version = state.in_flight->version;
  const bool again = note_refused(type, *refusal);
  actions.push_back(Refused{type, std::move(version), std::move(*refusal), again});
}

// Envoy takes what is right in a push that it refuses: what it has of these resources is not known until it has
// accepted another version of them. Endpoints are sent for a refused cluster, too: it may be waiting for them. Returns
// whether that is what it had refused before.
bool DiscoveryState::note_refused(std::size_t type, const std::string& reason) {
  TypeState& state = types_[type];
  InFlight flight = std::move(*state.in_flight);
  state.in_flight.reset();
  std::vector<RefusedVersions::Entry> push, blamed;
  for (const Edition& change : flight.changes) {
    push.emplace_back(change.name(), change.version());
    if (!change.is_absent() && blames(reason, change.name())) blamed.push_back(push.back());
  }
  const auto retried = std::exchange(state.retried, {});
  if (is_whole(type)) {
    state.refused.add({{"", flight.version}}, blamed);
    Cursor<Edition> held(state.held);
    std::erase_if(flight.changes, [&](const Edition& change) {
      const Edition* has = held.find(change.name());
      return has && has->is(change.resource, change.parent);
    });
  } else {
    state.refused.add(push, blamed);
  }
  Cursor<Edition> again(flight.changes);
  std::erase_if(state.tried, [&](const Edition& tried) { return again.find(tried.name()) != nullptr; });
  const auto middle = static_cast<std::ptrdiff_t>(state.tried.size());
  std::move(flight.changes.begin(), flight.changes.end(), std::back_inserter(state.tried));
  std::inplace_merge(state.tried.begin(), state.tried.begin() + middle, state.tried.end(), by_name);
  touch_children(type);
  const auto& guilty = blamed.empty() ? push : blamed;
  return !retried.empty() && std::includes(retried.begin(), retried.end(), guilty.begin(), guilty.end());
}

// What was refused once and is accepted now speaks for all that need the same.
void DiscoveryState::note_retried(std::size_t type) {
  TypeState& state = types_[type];
  for (const auto& [name, version] : std::exchange(state.retried, {})) {
    const std::string need = need_of(type, name);
    state.refused.pardon([&](const auto& entry) { return need_of(type, entry.first) == need; });
  }
}

std::string DiscoveryState::need_of(std::size_t type, const std::string& name) const {
  return plan_[type].need == nullptr ? std::string() : plan_[type].need(name);
}

bool DiscoveryState::may_lack(std::size_t type, const Edition& edition) const {
  const RefusedVersions& refused = types_[type].refused;
  return !refused.empty() && refused.is_convicted(edition.name(), edition.version()) &&
         !need_of(type, edition.name()).empty();
}

bool DiscoveryState::may_retry() const {
  for (std::size_t type = 0; type < types_.size(); ++type) {
    if (plan_[type].need == nullptr || types_[type].refused.empty()) continue;
    for (const auto& [name, version] : types_[type].refused.convicted()) {
      if (!need_of(type, name).empty()) return true;
    }
  }
  return false;
}

Actions DiscoveryState::retry_refused() {
  Actions actions;
  for (std::size_t type = 0; type < types_.size(); ++type) {
    TypeState& state = types_[type];
    if (plan_[type].need == nullptr || state.in_flight) continue;
    std::map<std::string, RefusedVersions::Entry> first;
    for (const auto& entry : state.refused.convicted()) {
      if (std::string need = need_of(type, entry.first); !need.empty()) first.try_emplace(std::move(need), entry);
    }
    state.retried.clear();
    for (const auto& [need, entry] : first) state.retried.push_back(entry);
    std::sort(state.retried.begin(), state.retried.end());
    if (state.retried.empty()) continue;
    state.refused.pardon(
        [&](const auto& entry) { return std::binary_search(state.retried.begin(), state.retried.end(), entry); });
    on_event(state);
  }
  advance(actions);
  return actions;
}

// What was in flight is what the peer has.
void DiscoveryState::take_over(std::size_t type) {
  TypeState& state = types_[type];
  InFlight flight = std::move(*state.in_flight);
  state.in_flight.reset();
  state.is_resumed = false;
  expect_subscriptions(type, flight.changes);
  if (is_whole(type)) {
    state.tried.clear();
    state.held = std::move(flight.changes);
    state.held_version = std::move(flight.version);
  } else {
    if (!state.tried.empty()) {
      Cursor<Edition> certain(flight.changes);
      std::erase_if(state.tried, [&](const Edition& tried) { return certain.find(tried.name()) != nullptr; });
    }
    // Of what is not there the peer keeps in mind only what it asked for by name.
    const auto is_over = [&](const Edition& change) {
      return change.is_absent() && !std::ranges::binary_search(state.names, change.name());
    };
    if (std::ranges::any_of(flight.changes, is_over)) {
      Cursor<Edition> changes(flight.changes);
      std::erase_if(state.held, [&](const Edition& held) {
        const Edition* change = changes.find(held.name());
        return change != nullptr && is_over(*change);
      });
      std::erase_if(flight.changes, is_over);
    }
    const auto middle = static_cast<std::ptrdiff_t>(state.held.size());
    std::ptrdiff_t at = 0;
    for (Edition& change : flight.changes) {
      while (at < middle && by_name(state.held[static_cast<std::size_t>(at)], change)) ++at;
      Edition* before = at < middle ? &state.held[static_cast<std::size_t>(at)] : nullptr;
      if (before != nullptr && before->name() == change.name())
        *before = std::move(change);
      else
        state.held.push_back(std::move(change));
    }
    std::inplace_merge(state.held.begin(), state.held.begin() + middle, state.held.end(), by_name);
  }
  touch_children(type);
}

void DiscoveryState::touch_children(std::size_t parent) {
  for (std::size_t child = 0; child < plan_.size(); ++child) {
    if (plan_[child].parent != parent) continue;
    if (!types_[child].carried.empty()) carry_over(child);
    on_event(types_[child]);
  }
}

// Endpoints stay as long as the peer has their cluster, though they are not offered any more: it may be waiting for
// them, and before they come it does not even hear that the cluster is to go.
void DiscoveryState::carry_over(std::size_t type) {
  TypeState& state = types_[type];
  NamedResourceList carried;
  if (plan_[type].parent && state.wanted) {
    Cursor<NamedResourcePtr> offered(*state.offered);
    for (const NamedResourcePtr& resource : *state.wanted) {
      if (!offered.find(resource->name) && may_have(*plan_[type].parent, resource->name)) carried.push_back(resource);
    }
  }
  state.wanted = state.offered;
  if (!carried.empty()) {
    auto both = *state.offered;
    both.insert(both.end(), carried.begin(), carried.end());
    state.wanted = sorted(std::make_shared<const NamedResourceList>(std::move(both)));
  }
  state.carried = std::move(carried);
}

bool DiscoveryState::may_have(std::size_t type, const std::string& name) const {
  const TypeState& state = types_[type];
  const auto has = [&](const std::vector<Edition>& list) {
    const auto at = find_by_name(list, name);
    return at != list.end() && !at->is_absent();
  };
  return has(state.held) || has(state.tried) || (state.in_flight && has(state.in_flight->changes));
}

// New clusters make a peer that asks for endpoints by name ask for theirs: until it did, what comes later has to wait,
// or traffic would be sent to clusters without endpoints.
void DiscoveryState::expect_subscriptions(std::size_t parent, const std::vector<Edition>& changes) {
  for (std::size_t child = 0; child < plan_.size(); ++child) {
    TypeState& state = types_[child];
    if (plan_[child].parent != parent || !state.asked || state.wants_all || !state.wanted) continue;
    Cursor<Edition> held(types_[parent].held);
    Cursor<NamedResourcePtr> wanted(*state.wanted);
    for (const Edition& change : changes) {
      const bool is_new = !change.is_absent() && !held.find(change.name());
      if (is_new && wanted.find(change.name()) && !state.is_subscribed(change.name())) state.awaits_subscription = true;
    }
  }
}

}  // namespace mesh
