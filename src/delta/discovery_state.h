// What one peer was told on one discovery stream, and what it answered. Events in, actions out: no sockets, no locks,
// no clock. Who owns the stream carries the actions out, in their order. State-of-the-world and delta are two ways to
// write down the same conversation; both are here.
//
//   * One push is in flight per type. A newer offer replaces one that waits.
//   * Nothing is sent that the peer has: over delta by resource, in state-of-the-world by type for those types whose
//     responses are whole, by resource for the others.
//   * What was refused is not sent again until it changes (see RefusedVersions). One bad resource holds up no other
//   that
//     the peer does not blame.
//   * Types are pushed in the order of the plan, each when those before it have been answered, removals at the very
//   end:
//     what is referred to is there before, and goes away after, what refers to it.
//   * A resource with a parent (endpoints, whose parent is the cluster of the same name) is sent again right behind its
//     parent: Envoy waits for it, without asking, and does not even answer for the parent before it came. So its
//     version names its parent's too ("e1/c7"), which also shows after a reconnect whether the peer has seen it for
//     that parent.
//
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "delta/refused_versions.h"

namespace mesh {

enum class Encoding { StateOfTheWorld, Delta };

// When a peer is given all resources of a type.
enum class Wildcard {
  Unnamed,   // when it asks for "*", or names none and never did
  Explicit,  // when it asks for "*"
  Never,     // names only
};

struct DiscoveryType {
  bool is_whole = false;  // a state-of-the-world response has all resources: leaving one out removes it
  Wildcard wildcard = Wildcard::Explicit;
  bool waits_for_earlier = true;           // goes out when the types before it have been answered
  bool delays_later = true;                // types after it wait until it has been answered
  std::optional<std::size_t> parent = {};  // a type before it; resources of the same name belong together
  int removal_rank = 0;                    // removals go out in ascending order
  // What a resource needs of the peer's surroundings and shares with others (a port, say), by its name; empty: nothing.
  // Such a resource may be refused though nothing is wrong with it. Then the peer counts as holding the rest, and it is
  // tried again now and then: see retry_refused().
  std::string (*need)(std::string_view name) = nullptr;
};

// The types of a stream, in the order in which they are pushed. Types are named by their place in it.
using DiscoveryPlan = std::vector<DiscoveryType>;

struct SotwRequest {
  std::string version;  // the last that was accepted, perhaps on an earlier stream
  std::vector<std::string> names;
  std::string nonce;
  std::optional<std::string> refusal;  // why the push with this nonce was refused
};

struct DeltaRequest {
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  std::map<std::string, std::string> initial_versions;  // what the peer has from an earlier stream
  std::string nonce;                                    // empty: not an answer
  std::optional<std::string> refusal;
};

// A resource as a peer is sent it, and as it has it.
struct Edition {
  NamedResourcePtr resource;     // where there is none, or only the peer spoke of it: no body
  NamedResourcePtr parent = {};  // which it was sent for; null: none

  const std::string& name() const { return resource->name; }
  const Bytes& body() const { return resource->body; }
  bool is_absent() const { return resource->version.empty(); }  // the peer was told that there is no such resource
  std::string version() const;                                  // on the wire
  std::size_t version_size() const;
  void append_version(std::string& out) const;
  bool is(const NamedResourcePtr& other, const NamedResourcePtr& other_parent) const;  // as far as versions tell
};

// What to do.
struct Push {
  std::size_t type = 0;
  std::string version;  // of the type's whole content
  std::string nonce;
  std::vector<Edition> resources;
  std::vector<std::string> removed;  // delta only
};
struct Accepted {
  std::size_t type = 0;
  std::string version;
};
struct Refused {
  std::size_t type = 0;
  std::string version;
  std::string reason;
  bool again = false;  // it was tried again, and is refused as before
};
using Action = std::variant<Push, Accepted, Refused>;
using Actions = std::vector<Action>;

class DiscoveryState {
 public:
  static constexpr std::size_t kMaxNames = 50'000;  // that a peer may subscribe to, per type

  // The plan must outlive the state.
  DiscoveryState(Encoding encoding, const DiscoveryPlan& plan);

  // Invalid: the peer asks for too much; the stream should end.
  Result<Actions> on_request(std::size_t type, SotwRequest request);
  Result<Actions> on_request(std::size_t type, DeltaRequest request);

  // What the peer should have, by type, each in the order of names. Types stay as they were where it is null or ends.
  Actions on_offer(std::span<const NamedResources> offer);

  // While paused nothing is pushed: the peer does not read. Answers are taken.
  Actions set_paused(bool paused);

  // A peer that comes back names what it has, type by type. Until all that it uses have had time to be named, nothing
  // should be taken from it: what it still refers to is not known.
  Actions set_removals_held(bool held);

  // Something was refused that the peer may be able to take at another time.
  bool may_retry() const;
  // Tries it again: of all that need the same, the one whose refusal is the longest ago. The rest follows when that one
  // is accepted.
  Actions retry_refused();

  bool is_in_flight(std::size_t type) const { return types_[type].in_flight.has_value(); }
  // The peer has all that it asked for of this type, as it was offered last: nothing is on its way, waits or was
  // refused (but for what it may take at another time).
  bool holds(std::size_t type) const { return types_[type].holds; }

 private:
  struct InFlight {
    std::string nonce;
    std::string version;
    std::vector<Edition> changes;  // in the order of names; what is absent is a removal
  };
  struct TypeState {
    bool is_subscribed(const std::string& name) const;
    void forget(const std::string& name);

    bool asked = false;  // there was a request of this type
    bool wants_all = false;
    bool named_before = false;       // names were given once: an empty list means none from then on
    std::vector<std::string> names;  // sorted
    NamedResources offered;          // null: nothing was offered yet
    NamedResourceList carried;       // no longer offered, but the peer still has their parents
    NamedResources wanted;           // both
    std::vector<Edition> held;       // what the peer accepted; sorted by name
    std::vector<Edition> tried;      // what it refused may be in force all the same, in part; sorted by name
    std::string held_version;        // whole types in state-of-the-world: the version accepted last
    std::string last_nonce;
    bool is_resumed = false;           // what the peer has is only what it said, of an earlier stream
    bool owes_answer = false;          // the first wildcard request is answered even when there is nothing
    bool changes_stale = true;         // something happened since changes were last looked for
    bool removals_stale = true;        // the same for removals
    bool holds = false;                // nothing to change was found when it was last compared
    bool awaits_subscription = false;  // its parents are new: the peer is about to ask for more
    std::optional<InFlight> in_flight;
    RefusedVersions refused;
    std::vector<RefusedVersions::Entry> retried;  // sent again though refused before; sorted
  };

  void on_answer(std::size_t type, const std::string& nonce, std::optional<std::string>& refusal, Actions& actions);
  void take_over(std::size_t type);
  bool note_refused(std::size_t type, const std::string& reason);
  void note_retried(std::size_t type);
  std::string need_of(std::size_t type, const std::string& name) const;
  void touch_children(std::size_t parent);
  void carry_over(std::size_t type);
  bool may_have(std::size_t type, const std::string& name) const;
  void expect_subscriptions(std::size_t parent, const std::vector<Edition>& changes);
  void forget_unsubscribed(std::size_t type);
  void on_event(TypeState& state);

  void advance(Actions& actions);
  bool push_changes(std::size_t type, Actions& actions);
  bool push_removals(std::size_t type, Actions& actions);
  bool push_whole(std::size_t type, bool keep_removed, Actions& actions);
  void send(std::size_t type, std::string version, std::vector<Edition> changes, Actions& actions);
  void hold_back_refused(std::size_t type, std::vector<Edition>& changes);
  bool may_lack(std::size_t type, const Edition& edition) const;

  std::vector<Edition> changes_of(std::size_t type) const;
  std::vector<Edition> removals_of(std::size_t type) const;
  std::string version_of(std::size_t type) const;
  const NamedResourcePtr& parent_of(std::size_t type, const std::string& name) const;
  bool is_whole(std::size_t type) const { return encoding_ == Encoding::StateOfTheWorld && plan_[type].is_whole; }

  const Encoding encoding_;
  const DiscoveryPlan& plan_;
  std::vector<std::size_t> removal_order_;
  std::vector<TypeState> types_;
  std::uint64_t last_nonce_ = 0;
  bool is_paused_ = false;
  bool are_removals_held_ = false;
};

}  // namespace mesh
