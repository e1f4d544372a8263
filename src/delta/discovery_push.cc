// What the peer is told: comparing what it should have with what it has, and in which order it hears of it.
#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "delta/discovery_state.h"
#include "delta/sorted.h"

namespace mesh {
namespace {

// FNV-1a. Names what a set of resources is; nobody gains by making two sets collide but the peer itself.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<unsigned char>(c));
    step(0xff);  // not in UTF-8: keeps "ab","c" apart from "a","bc"
  }
  std::string text() const {
    char hex[17];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(value_));
    return hex;
  }

 private:
  void step(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

}  // namespace

void DiscoveryState::advance(Actions& actions) {
  if (is_paused_) return;
  bool may_go_on = true;
  bool all_answered = true;
  for (std::size_t type = 0; type < plan_.size(); ++type) {
    const TypeState& state = types_[type];
    if (!plan_[type].waits_for_earlier || may_go_on) push_changes(type, actions);
    if (plan_[type].delays_later && (state.in_flight || state.awaits_subscription)) may_go_on = false;
    if (state.in_flight) all_answered = false;
  }
  if (!may_go_on || !all_answered || are_removals_held_) return;
  for (const std::size_t type : removal_order_) {
    if (push_removals(type, actions)) return;
  }
}

bool DiscoveryState::push_changes(std::size_t type, Actions& actions) {
  TypeState& state = types_[type];
  if (!state.asked || !state.wanted || state.in_flight || !state.changes_stale) return false;
  state.changes_stale = false;
  if (is_whole(type)) return push_whole(type, true, actions);
  if (encoding_ == Encoding::StateOfTheWorld) {
    // There is no way to say that one of these is gone. Should it come back, it is sent again.
    Cursor<NamedResource> wanted(*state.wanted);
    std::erase_if(state.held, [&](const Held& held) { return !wanted.find(held.name); });
  }
  auto changes = changes_of(type);
  state.holds = !state.owes_answer && std::all_of(changes.begin(), changes.end(), [&](const Held& change) {
    return may_lack(type, change.name, change.version);
  });
  hold_back_refused(type, changes);
  if (changes.empty() && !state.owes_answer) return false;
  send(type, version_of(type), std::move(changes), actions);
  return true;
}

bool DiscoveryState::push_removals(std::size_t type, Actions& actions) {
  TypeState& state = types_[type];
  if (!state.asked || !state.wanted || state.in_flight || !state.removals_stale) return false;
  state.removals_stale = false;
  if (is_whole(type)) return push_whole(type, false, actions);
  if (encoding_ == Encoding::StateOfTheWorld) return false;
  auto removals = removals_of(type);
  hold_back_refused(type, removals);
  if (removals.empty()) return false;
  send(type, version_of(type), std::move(removals), actions);
  return true;
}

// With `keep_removed`, resources that the peer should no longer have stay in it for now.
bool DiscoveryState::push_whole(std::size_t type, bool keep_removed, Actions& actions) {
  TypeState& state = types_[type];
  std::vector<Held> content;
  std::vector<RefusedVersions::Entry> due;
  bool is_complete = true;
  Cursor<Held> before(state.held);
  for (const auto& resource : *state.wanted) {
    if (!state.is_subscribed(resource.name)) continue;
    std::string wire = wire_version(type, resource);
    due.emplace_back(resource.name, wire);
    if (state.refused.is_convicted(resource.name, wire)) {  // it keeps what it had of it
      is_complete &= may_lack(type, resource.name, wire);
      if (const Held* has = before.find(resource.name)) content.push_back(*has);
    } else {
      content.push_back({resource.name, std::move(wire), resource.body});
    }
  }
  if (keep_removed) {
    const auto middle = static_cast<std::ptrdiff_t>(content.size());
    Cursor<NamedResource> wanted(*state.wanted);
    for (const auto& held : state.held) {
      if (!wanted.find(held.name)) content.push_back(held);
    }
    std::inplace_merge(content.begin(), content.begin() + middle, content.end(), by_name);
  }
  Fingerprint fingerprint;
  for (const auto& resource : content) {
    fingerprint.add(resource.name);
    fingerprint.add(resource.version);
  }
  std::string version = fingerprint.text();
  if (version == state.held_version && state.tried.empty()) {
    // Also when the peer only said so, of an earlier stream: the version names the content.
    if (state.held.empty()) state.held = std::move(content);
    state.holds = is_complete;
    return false;
  }
  due.emplace(due.begin(), "", version);
  if (!state.refused.empty()) state.refused.review(due);
  if (state.refused.contains("", version)) return false;
  send(type, std::move(version), std::move(content), actions);
  return true;
}

void DiscoveryState::send(std::size_t type, std::string version, std::vector<Held> changes, Actions& actions) {
  TypeState& state = types_[type];
  Push push{.type = type, .version = version, .nonce = std::to_string(++last_nonce_), .resources = {}, .removed = {}};
  for (auto& change : changes) {
    if (change.version.empty()) {
      push.removed.push_back(change.name);
    } else {
      push.resources.push_back({change.name, change.version, change.body});
    }
    if (!is_whole(type)) change.body.reset();
  }
  state.owes_answer = false;
  state.holds = false;
  state.last_nonce = push.nonce;
  state.in_flight = InFlight{push.nonce, std::move(version), std::move(changes)};
  actions.push_back(std::move(push));
  touch_children(type);
}

void DiscoveryState::hold_back_refused(std::size_t type, std::vector<Held>& changes) {
  TypeState& state = types_[type];
  if (state.refused.empty()) return;
  std::vector<RefusedVersions::Entry> due;
  for (const auto& change : changes_of(type)) due.emplace_back(change.name, change.version);
  for (const auto& removal : removals_of(type)) due.emplace_back(removal.name, removal.version);
  std::sort(due.begin(), due.end());
  state.refused.review(due);
  std::erase_if(changes, [&](const Held& change) { return state.refused.contains(change.name, change.version); });
}

// What the peer does not have as it should be, but for what it should no longer have.
std::vector<DiscoveryState::Held> DiscoveryState::changes_of(std::size_t type) const {
  const TypeState& state = types_[type];
  std::vector<Held> changes;
  Cursor<Held> held(state.held);
  Cursor<Held> tried(state.tried);
  Cursor<std::string> names(state.names);
  for (const auto& resource : *state.wanted) {
    if (!state.wants_all && !names.find(resource.name)) continue;
    const Held* has = held.find(resource.name);
    if (!has || !is_wire_version(type, resource, has->version) || tried.find(resource.name))
      changes.push_back({resource.name, wire_version(type, resource), resource.body});
  }
  if (encoding_ == Encoding::StateOfTheWorld) return changes;
  // Who asks for what does not exist is told so. After a reconnect also who had it once, when it has a parent: that one
  // may be waiting for it, and nothing more would be heard of its type.
  const bool may_wait = state.is_resumed && plan_[type].parent;
  const auto middle = static_cast<std::ptrdiff_t>(changes.size());
  Cursor<Held> told(state.held);
  Cursor<NamedResource> wanted(*state.wanted);
  for (const auto& name : state.names) {
    const Held* has = told.find(name);
    if (!wanted.find(name) && (!has || (may_wait && !has->version.empty()))) changes.push_back({name, "", nullptr});
  }
  std::inplace_merge(changes.begin(), changes.begin() + middle, changes.end(), by_name);
  return changes;
}

std::vector<DiscoveryState::Held> DiscoveryState::removals_of(std::size_t type) const {
  const TypeState& state = types_[type];
  std::vector<Held> removals;
  if (encoding_ == Encoding::StateOfTheWorld) return removals;
  for (const auto* list : {&state.held, &state.tried}) {  // what was refused may be there all the same
    Cursor<NamedResource> wanted(*state.wanted);
    for (const auto& has : *list) {
      if (!has.version.empty() && !wanted.find(has.name)) removals.push_back({has.name, "", nullptr});
    }
  }
  std::sort(removals.begin(), removals.end(), by_name);
  removals.erase(
      std::unique(removals.begin(), removals.end(), [](const auto& a, const auto& b) { return a.name == b.name; }),
      removals.end());
  return removals;
}

std::string DiscoveryState::version_of(std::size_t type) const {
  const TypeState& state = types_[type];
  Fingerprint fingerprint;
  Cursor<std::string> names(state.names);
  for (const auto& resource : *state.wanted) {
    if (!state.wants_all && !names.find(resource.name)) continue;
    fingerprint.add(resource.name);
    fingerprint.add(wire_version(type, resource));
  }
  return fingerprint.text();
}

// Null: it has no parent, or none that the peer knows of.
const std::string* DiscoveryState::parent_version(std::size_t type, const std::string& name) const {
  if (!plan_[type].parent) return nullptr;
  const TypeState& parents = types_[*plan_[type].parent];
  static const std::vector<Held> kNone;
  for (const auto* list : {parents.in_flight ? &parents.in_flight->changes : &kNone, &parents.tried, &parents.held}) {
    const auto parent = std::ranges::lower_bound(*list, name, {}, &Held::name);
    if (parent != list->end() && parent->name == name && !parent->version.empty()) return &parent->version;
  }
  return nullptr;
}

std::string DiscoveryState::wire_version(std::size_t type, const NamedResource& resource) const {
  const std::string* parent = parent_version(type, resource.name);
  return parent == nullptr ? resource.version : resource.version + "/" + *parent;
}

// The same without making it: of most, nothing has changed.
bool DiscoveryState::is_wire_version(std::size_t type, const NamedResource& resource,
                                     const std::string& version) const {
  const std::string* parent = parent_version(type, resource.name);
  if (parent == nullptr) return version == resource.version;
  return version.size() == resource.version.size() + 1 + parent->size() && version.starts_with(resource.version) &&
         version[resource.version.size()] == '/' && version.ends_with(*parent);
}

}  // namespace mesh
