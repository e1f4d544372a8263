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
    go_on(text);
    step(0xff);  // not in UTF-8: keeps "ab","c" apart from "a","bc"
  }
  // Its name, and its version on the wire.
  void add(const NamedResourcePtr& resource, const NamedResourcePtr& parent) {
    add(resource->name);
    if (parent != nullptr) {
      go_on(resource->version);
      go_on("/");
      add(parent->version);
    } else {
      add(resource->version);
    }
  }
  std::string text() const {
    char hex[17];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(value_));
    return hex;
  }

 private:
  void go_on(std::string_view text) {
    for (const char c : text) step(static_cast<unsigned char>(c));
  }
  void step(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

Edition without_content(const std::string& name) { return {make_named(name, "")}; }

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
    Cursor<NamedResourcePtr> wanted(*state.wanted);
    std::erase_if(state.held, [&](const Edition& held) { return !wanted.find(held.name()); });
  }
  auto changes = changes_of(type);
  state.holds =
      !state.owes_answer && std::ranges::all_of(changes, [&](const Edition& change) { return may_lack(type, change); });
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
  std::vector<Edition> content;
  std::vector<RefusedVersions::Entry> due;
  bool is_complete = true;
  Cursor<Edition> before(state.held);
  for (const NamedResourcePtr& resource : *state.wanted) {
    if (!state.is_subscribed(resource->name)) continue;
    Edition edition{resource, parent_of(type, resource->name)};
    due.emplace_back(resource->name, edition.version());
    if (state.refused.is_convicted(due.back().first, due.back().second)) {  // it keeps what it had of it
      is_complete &= may_lack(type, edition);
      if (const Edition* has = before.find(resource->name)) content.push_back(*has);
    } else {
      content.push_back(std::move(edition));
    }
  }
  if (keep_removed) {
    const auto middle = static_cast<std::ptrdiff_t>(content.size());
    Cursor<NamedResourcePtr> wanted(*state.wanted);
    for (const Edition& held : state.held) {
      if (!wanted.find(held.name())) content.push_back(held);
    }
    std::inplace_merge(content.begin(), content.begin() + middle, content.end(), by_name);
  }
  Fingerprint fingerprint;
  for (const Edition& edition : content) fingerprint.add(edition.resource, edition.parent);
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

void DiscoveryState::send(std::size_t type, std::string version, std::vector<Edition> changes, Actions& actions) {
  TypeState& state = types_[type];
  Push push{.type = type, .version = version, .nonce = std::to_string(++last_nonce_), .resources = {}, .removed = {}};
  push.resources.reserve(changes.size());
  for (const Edition& change : changes) {
    if (change.is_absent())
      push.removed.push_back(change.name());
    else
      push.resources.push_back(change);
  }
  state.owes_answer = false;
  state.holds = false;
  state.last_nonce = push.nonce;
  state.in_flight = InFlight{push.nonce, std::move(version), std::move(changes)};
  actions.push_back(std::move(push));
  touch_children(type);
}

void DiscoveryState::hold_back_refused(std::size_t type, std::vector<Edition>& changes) {
  TypeState& state = types_[type];
  if (state.refused.empty()) return;
  std::vector<RefusedVersions::Entry> due;
  for (const Edition& change : changes_of(type)) due.emplace_back(change.name(), change.version());
  for (const Edition& removal : removals_of(type)) due.emplace_back(removal.name(), "");
  std::sort(due.begin(), due.end());
  state.refused.review(due);
  std::erase_if(changes,
                [&](const Edition& change) { return state.refused.contains(change.name(), change.version()); });
}

// What the peer does not have as it should be, but for what it should no longer have.
std::vector<Edition> DiscoveryState::changes_of(std::size_t type) const {
  const TypeState& state = types_[type];
  std::vector<Edition> changes;
  Cursor<Edition> held(state.held);
  Cursor<Edition> tried(state.tried);
  Cursor<std::string> names(state.names);
  const std::size_t size = state.wanted->size();
  for (std::size_t i = 0; i < size; ++i) {
    const NamedResourcePtr& resource = (*state.wanted)[i];
    if (!state.wants_all && !names.find(resource->name)) continue;
    const NamedResourcePtr& parent = parent_of(type, resource->name);
    const Edition* has = held.find(resource->name);
    if (has && has->is(resource, parent) && !tried.find(resource->name)) continue;
    if (changes.empty()) changes.reserve(size - i);  // where one has changed, most have
    changes.push_back({resource, parent});
  }
  if (encoding_ == Encoding::StateOfTheWorld) return changes;
  // Who asks for what does not exist is told so. After a reconnect also who had it once, when it has a parent: that one
  // may be waiting for it, and nothing more would be heard of its type.
  const bool may_wait = state.is_resumed && plan_[type].parent;
  const auto middle = static_cast<std::ptrdiff_t>(changes.size());
  Cursor<Edition> told(state.held);
  Cursor<NamedResourcePtr> wanted(*state.wanted);
  for (const auto& name : state.names) {
    const Edition* has = told.find(name);
    if (!wanted.find(name) && (!has || (may_wait && !has->is_absent()))) changes.push_back(without_content(name));
  }
  std::inplace_merge(changes.begin(), changes.begin() + middle, changes.end(), by_name);
  return changes;
}

std::vector<Edition> DiscoveryState::removals_of(std::size_t type) const {
  const TypeState& state = types_[type];
  std::vector<Edition> removals;
  if (encoding_ == Encoding::StateOfTheWorld) return removals;
  for (const auto* list : {&state.held, &state.tried}) {  // what was refused may be there all the same
    Cursor<NamedResourcePtr> wanted(*state.wanted);
    for (const Edition& has : *list) {
      if (!has.is_absent() && !wanted.find(has.name())) removals.push_back(without_content(has.name()));
    }
  }
  std::sort(removals.begin(), removals.end(), by_name);
  const auto repeated = std::ranges::unique(removals, {}, name_in);
  removals.erase(repeated.begin(), repeated.end());
  return removals;
}

std::string DiscoveryState::version_of(std::size_t type) const {
  const TypeState& state = types_[type];
  Fingerprint fingerprint;
  Cursor<std::string> names(state.names);
  for (const NamedResourcePtr& resource : *state.wanted) {
    if (state.wants_all || names.find(resource->name)) fingerprint.add(resource, parent_of(type, resource->name));
  }
  return fingerprint.text();
}

// Null: it has no parent, or none that the peer knows of.
const NamedResourcePtr& DiscoveryState::parent_of(std::size_t type, const std::string& name) const {
  static const NamedResourcePtr nobody;
  if (!plan_[type].parent) return nobody;
  const TypeState& parents = types_[*plan_[type].parent];
  static const std::vector<Edition> kNone;
  for (const auto* list : {parents.in_flight ? &parents.in_flight->changes : &kNone, &parents.tried, &parents.held}) {
    const auto parent = find_by_name(*list, name);
    if (parent != list->end() && !parent->is_absent()) return parent->resource;
  }
  return nobody;
}

std::size_t Edition::version_size() const {
  return resource->version.size() + (parent == nullptr ? 0 : 1 + parent->version.size());
}

void Edition::append_version(std::string& out) const {
  out += resource->version;
  if (parent == nullptr) return;
  out += '/';
  out += parent->version;
}

std::string Edition::version() const {
  std::string out;
  out.reserve(version_size());
  append_version(out);
  return out;
}

// Most often they are the same objects.
bool Edition::is(const NamedResourcePtr& other, const NamedResourcePtr& other_parent) const {
  const auto is_same = [](const NamedResourcePtr& a, const NamedResourcePtr& b) {
    return a == b || (a && b && a->version == b->version);
  };
  if (is_same(resource, other) && is_same(parent, other_parent)) return true;
  // Of what only the peer spoke, the version is not in parts.
  return (parent == nullptr) != (other_parent == nullptr) && version() == Edition{other, other_parent}.version();
}

}  // namespace mesh
