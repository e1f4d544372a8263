// A model of Envoy holds random conversations with the state: delayed messages, refusals, reconnects, restarts of the
// server. It applies what Envoy applies, warms clusters as Envoy does, and checks at each step what must always hold.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "delta/discovery_state.h"

namespace mesh {
namespace {

constexpr std::size_t kClusters = 0, kEndpoints = 1, kListeners = 2, kRoutes = 3, kTypes = 4;
const DiscoveryPlan kPlan = {
    {.is_whole = true, .wildcard = Wildcard::Unnamed, .removal_rank = 2},
    {.wildcard = Wildcard::Explicit, .waits_for_earlier = false, .parent = kClusters, .removal_rank = 3},
    {.is_whole = true, .wildcard = Wildcard::Unnamed, .removal_rank = 0},
    {.wildcard = Wildcard::Explicit, .removal_rank = 1},
};

// What is offered: clusters c0…, endpoints of each, listeners l0… whose body names the cluster and the route that they
// refer to, routes r0… whose body names a cluster. A body that ends in "!" is refused.
struct World {
  std::map<std::string, NamedResourcePtr> types[kTypes];

  static NamedResourcePtr resource(const std::string& name, int version, const std::string& body) {
    return make_named(name, std::to_string(version), make_bytes(body));
  }
  NamedResources list(std::size_t type) const {
    auto list = std::make_shared<NamedResourceList>();
    for (const auto& [_, resource] : types[type]) list->push_back(resource);
    return list;
  }
};

bool is_bad(const std::string& body) { return body.ends_with("!"); }
std::string reference(const std::string& body) { return body.substr(0, body.find_first_of(" !")); }

class Conversation {
 public:
  Conversation(Encoding encoding, unsigned seed) : encoding_(encoding), random_(seed), refuses_(seed % 2 == 0) {
    restart_server();
    request(kClusters);
  }

  void run(int steps) {
    change_world(true);
    for (int i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) {
      const int what = pick(100);
      if (what < 12) {
        change_world(false);
      } else if (what < 14) {
        reconnect();
      } else if (what < 60) {
        deliver_to_envoy();
      } else {
        deliver_to_server();
      }
    }
    repair_world();
    settle();
  }

  void settle() {
    for (int i = 0; i < 10'000 && (!to_envoy_.empty() || !to_server_.empty()); ++i) {
      deliver_to_envoy();
      deliver_to_server();
    }
    ASSERT_TRUE(to_envoy_.empty() && to_server_.empty()) << "it never comes to rest";
    for (const std::size_t type : {kClusters, kListeners}) check_same(type);
    for (const auto& [name, _] : world_.types[kClusters]) {
      ASSERT_FALSE(warming_.contains(name)) << name << " waits for endpoints for ever";
      ASSERT_EQ(endpoints_[name], *world_.types[kEndpoints].at(name)->body);
    }
    for (const auto& [_, listener] : world_.types[kListeners]) {
      const auto route = reference(*listener->body);
      ASSERT_EQ(routes_[route], *world_.types[kRoutes].at(route)->body);
    }
    // At rest, nothing more is to be said.
    send_offer();
    ASSERT_TRUE(to_envoy_.empty()) << "the same content was sent again";
  }

  int refusals = 0;
  int pushes = 0;

 private:
  struct Request {
    std::size_t type = 0;
    SotwRequest sotw;
    DeltaRequest delta;
  };
  using Content = std::map<std::string, std::string>;

  int pick(int n) { return std::uniform_int_distribution<int>(0, n - 1)(random_); }

  // --- the server's side
  void restart_server() {
    state_ = std::make_unique<DiscoveryState>(encoding_, kPlan);
    to_envoy_.clear();
    to_server_.clear();
    in_flight_.clear();
  }
  void send_offer() {
    std::vector<NamedResources> offer(kTypes);
    for (std::size_t type = 0; type < kTypes; ++type) offer[type] = world_.list(type);
    carry_out(state_->on_offer(offer));
  }
  void carry_out(const Actions& actions) {
    for (const auto& action : actions) {
      if (const auto* push = std::get_if<Push>(&action)) {
        ASSERT_TRUE(in_flight_.insert(push->type).second) << "two pushes of a type in flight";
        ++pushes;
        to_envoy_.push_back(*push);
      } else if (const auto* accepted = std::get_if<Accepted>(&action)) {
        in_flight_.erase(accepted->type);
      } else {
        in_flight_.erase(std::get<Refused>(action).type);
      }
    }
  }
  void deliver_to_server() {
    if (to_server_.empty()) return;
    const Request request = std::move(to_server_.front());
    to_server_.pop_front();
    auto actions = encoding_ == Encoding::Delta ? state_->on_request(request.type, request.delta)
                                                : state_->on_request(request.type, request.sotw);
    ASSERT_TRUE(actions.has_value());
    carry_out(*actions);
    if (hold_for_ > 0 && --hold_for_ == 0) carry_out(state_->set_removals_held(false));
  }

  // --- what should be
  void change_world(bool all) {
    ++version_;
    for (int i = 0; i < 4; ++i) {
      const std::string n = std::to_string(i);
      if (all || pick(4) == 0) set(kClusters, "c" + n, "c" + n);
      if (all || pick(4) == 0) set(kEndpoints, "c" + n, "e" + std::to_string(version_));
      if (!all && i > 0 && pick(12) == 0) world_.types[kClusters].erase("c" + n);
    }
    for (int i = 0; i < 2; ++i) {
      const std::string n = std::to_string(i);
      if (all || pick(4) == 0) set(kRoutes, "r" + n, "c" + std::to_string(pick(4)));
      if (all || pick(4) == 0) set(kListeners, "l" + n, "r" + n);
      if (!all && i > 0 && pick(10) == 0) world_.types[kListeners].erase("l" + n);
    }
    make_whole();
    send_offer();
  }
  void set(std::size_t type, const std::string& name, const std::string& body) {
    world_.types[type][name] =
        World::resource(name, version_, body + " " + std::to_string(version_) + (refuses_ && pick(8) == 0 ? "!" : ""));
  }
  // A builder never leaves references to what is not there.
  void make_whole() {
    auto& clusters = world_.types[kClusters];
    for (auto& [name, route] : world_.types[kRoutes]) {
      if (!clusters.contains(reference(*route->body)))
        route = World::resource(name, version_, "c0 " + std::to_string(version_));
    }
    std::erase_if(world_.types[kEndpoints], [&](const auto& item) { return !clusters.contains(item.first); });
    for (const auto& [name, _] : clusters) {
      if (!world_.types[kEndpoints].contains(name))
        world_.types[kEndpoints][name] = World::resource(name, version_, "e");
    }
  }
  void repair_world() {
    ++version_;
    for (auto& type : world_.types) {
      for (auto& [name, resource] : type) {
        if (is_bad(*resource->body))
          resource = World::resource(name, version_, reference(*resource->body) + " repaired");
      }
    }
    send_offer();
  }

  // --- Envoy's side
  void reconnect() {
    restart_server();
    connected_types_.clear();
    convicted_.clear();  // a new stream knows nothing of what was refused on the old one
    reconnected_ = true;
    withheld_.reset();
    carry_out(state_->set_removals_held(true));
    // What came in a refused push is not named after a reconnect: the server cannot know that it is there.
    for (const auto& [name, _] : clusters_) {
      if (!accepted_[kClusters].contains(name)) unknown_.insert(name);
    }
    for (const auto& [name, _] : listeners_) {
      if (!accepted_[kListeners].contains(name)) unknown_.insert(name);
    }
    if (pick(2) == 0) send_offer();  // else the offer comes after the requests
    request(kClusters);
    for (const std::size_t type : {kEndpoints, kListeners, kRoutes}) {
      if (was_asked_.contains(type)) request(type);
    }
    hold_for_ = to_server_.size();
    send_offer();
  }

  // The first request of a type on this stream, or one that changes what is subscribed.
  void request(std::size_t type, std::vector<std::string> subscribe = {}, std::vector<std::string> unsubscribe = {}) {
    Request r{.type = type, .sotw = {}, .delta = {}};
    const bool first = connected_types_.insert(type).second;
    was_asked_.insert(type);
    const std::vector<std::string> all(names_[type].begin(), names_[type].end());
    r.sotw = {.version = versions_[type], .names = all, .nonce = first ? "" : nonce_[type], .refusal = {}};
    r.delta.subscribe = first ? all : subscribe;
    r.delta.unsubscribe = first ? std::vector<std::string>{} : unsubscribe;
    if (first) {
      r.delta.initial_versions = accepted_[type];
      nonce_[type].clear();
    }
    to_server_.push_back(r);
  }

  void deliver_to_envoy() {
    if (to_envoy_.empty()) return;
    const Push push = std::move(to_envoy_.front());
    to_envoy_.pop_front();
    bool refused = false;
    for (const auto& resource : push.resources) refused |= is_bad(*resource.body());
    check_useful(push);
    switch (push.type) {
      case kClusters: on_clusters(push); break;
      case kEndpoints: on_endpoints(push, refused); break;
      case kListeners: on_listeners(push); break;
      default: on_routes(push, refused); break;
    }
    // While clusters warm, nothing is said about clusters.
    if (push.type == kClusters) {
      withheld_ = {push, refused};
    } else {
      answer(push, refused);
    }
    if (withheld_ && warming_.empty()) {
      const auto [clusters, were_refused] = *std::exchange(withheld_, std::nullopt);
      answer(clusters, were_refused);
    }
  }

  void check_useful(const Push& push) {
    if (push.resources.empty() && push.removed.empty()) return;
    if (encoding_ == Encoding::Delta) {
      for (const auto& resource : push.resources) {
        const auto has = accepted_[push.type].find(resource.name());
        const bool same = has != accepted_[push.type].end() && has->second == resource.version();
        const bool uncertain = uncertain_[push.type].contains(resource.name());
        ASSERT_TRUE(!same || uncertain) << "sent what Envoy has: " << resource.name();
      }
    }
    if (push.resources.size() == 1 && (encoding_ == Encoding::Delta || !kPlan[push.type].is_whole)) {
      const auto& only = push.resources[0];
      ASSERT_FALSE(convicted_[push.type].contains({only.name(), only.version()})) << "sent again what was refused";
    }
  }

  void answer(const Push& push, bool refused) {
    if (refused) ++refusals;
    nonce_[push.type] = push.nonce;
    auto& accepted = accepted_[push.type];
    for (const auto& resource : push.resources) {
      if (refused) {
        uncertain_[push.type].insert(resource.name());
      } else {
        accepted[resource.name()] = resource.version();
        uncertain_[push.type].erase(resource.name());
      }
    }
    if (refused && push.resources.size() == 1 && push.removed.empty())
      convicted_[push.type].insert({push.resources[0].name(), push.resources[0].version()});
    if (!refused) {
      for (const auto& name : push.removed) accepted.erase(name);
      versions_[push.type] = push.version;
    }
    Request r{.type = push.type, .sotw = {}, .delta = {}};
    const std::optional<std::string> reason = refused ? std::optional<std::string>("bad") : std::nullopt;
    r.sotw = {.version = versions_[push.type],
              .names = {names_[push.type].begin(), names_[push.type].end()},
              .nonce = push.nonce,
              .refusal = reason};
    r.delta.nonce = push.nonce;
    r.delta.refusal = reason;
    to_server_.push_back(r);
    std::erase_if(accepted, [&](const auto& item) {
      return push.type != kClusters && push.type != kListeners && !names_[push.type].contains(item.first);
    });
  }

  void on_clusters(const Push& push) {
    std::vector<std::string> come, gone;
    for (const auto& resource : push.resources) {
      if (is_bad(*resource.body())) continue;  // the others are taken
      if (clusters_.contains(resource.name()) && clusters_[resource.name()] == *resource.body()) continue;
      clusters_[resource.name()] = *resource.body();
      warming_.insert(resource.name());
      if (names_[kEndpoints].insert(resource.name()).second) come.push_back(resource.name());
    }
    for (const auto& name : gone_of(push, clusters_)) {
      ASSERT_FALSE(is_referred_to(name)) << "took away " << name << " while a route refers to it";
      clusters_.erase(name);
      warming_.erase(name);
      endpoints_.erase(name);
      names_[kEndpoints].erase(name);
      accepted_[kEndpoints].erase(name);
      std::erase_if(convicted_[kEndpoints], [&](const auto& item) { return item.first == name; });
      gone.push_back(name);
    }
    if (!come.empty() || !gone.empty() || !connected_types_.contains(kEndpoints)) request(kEndpoints, come, gone);
    if (!connected_types_.contains(kListeners)) request(kListeners);
  }

  void on_endpoints(const Push& push, bool refused) {
    if (refused) return warming_.clear();  // nothing waits for what was wrong
    for (const auto& resource : push.resources) {
      if (!clusters_.contains(resource.name())) continue;
      endpoints_[resource.name()] = *resource.body();
      warming_.erase(resource.name());
    }
    for (const auto& name : push.removed) warming_.erase(name);  // it goes without, and keeps those that it has
  }

  void on_listeners(const Push& push) {
    std::vector<std::string> come, gone;
    for (const auto& resource : push.resources) {
      if (is_bad(*resource.body())) continue;
      listeners_[resource.name()] = *resource.body();
      const auto route = reference(*resource.body());
      if (names_[kRoutes].insert(route).second) come.push_back(route);
    }
    for (const auto& name : gone_of(push, listeners_)) {
      const auto route = reference(listeners_[name]);
      listeners_.erase(name);
      names_[kRoutes].erase(route);
      accepted_[kRoutes].erase(route);
      std::erase_if(convicted_[kRoutes], [&](const auto& item) { return item.first == route; });
      routes_.erase(route);
      gone.push_back(route);
    }
    if (!come.empty() || !gone.empty()) request(kRoutes, come, gone);
  }

  void on_routes(const Push& push, bool refused) {
    if (refused) return;
    for (const auto& resource : push.resources) {
      if (!names_[kRoutes].contains(resource.name())) continue;
      const auto cluster = reference(*resource.body());
      // A cluster that was refused may be missing; else it must be there, with endpoints, before traffic goes to it.
      if (refusals == 0) {
        ASSERT_TRUE(clusters_.contains(cluster) && endpoints_.contains(cluster)) << "a route came before " << cluster;
      }
      routes_[resource.name()] = *resource.body();
    }
  }

  std::vector<std::string> gone_of(const Push& push, const Content& present) const {
    if (encoding_ == Encoding::Delta) {
      std::vector<std::string> gone;
      for (const auto& name : push.removed) {
        if (present.contains(name)) gone.push_back(name);
      }
      return gone;
    }
    std::set<std::string> named;
    for (const auto& resource : push.resources) named.insert(resource.name());
    std::vector<std::string> gone;
    for (const auto& [name, _] : present) {
      if (!named.contains(name)) gone.push_back(name);
    }
    return gone;
  }
  bool is_referred_to(const std::string& cluster) const {
    if (refusals > 0) return false;  // a refused route may go on referring to what is taken away
    // In state-of-the-world a peer does not say what it has from an earlier stream.
    if (reconnected_ && encoding_ == Encoding::StateOfTheWorld) return false;
    for (const auto& [_, body] : routes_) {
      if (reference(body) == cluster) return true;
    }
    return false;
  }
  void check_same(std::size_t type) {
    Content has = type == kClusters ? clusters_ : listeners_;
    std::erase_if(has, [&](const auto& item) {
      return unknown_.contains(item.first) && !world_.types[type].contains(item.first);
    });
    Content should;
    for (const auto& [name, resource] : world_.types[type]) should[name] = *resource->body;
    ASSERT_EQ(has, should);
  }

  Encoding encoding_;
  std::mt19937 random_;
  bool refuses_;  // in every second conversation something is refused
  int version_ = 0;
  bool reconnected_ = false;
  std::size_t hold_for_ = 0;  // requests that are still to come after a reconnect
  World world_;
  std::unique_ptr<DiscoveryState> state_;
  std::deque<Push> to_envoy_;
  std::optional<std::pair<Push, bool>> withheld_;
  std::deque<Request> to_server_;
  std::set<std::size_t> in_flight_;

  Content clusters_, endpoints_, listeners_, routes_;
  std::set<std::string> warming_, unknown_;
  std::map<std::size_t, std::set<std::string>> names_;
  std::map<std::size_t, Content> accepted_;
  std::map<std::size_t, std::set<std::string>> uncertain_;
  std::map<std::size_t, std::set<std::pair<std::string, std::string>>> convicted_;
  std::map<std::size_t, std::string> versions_, nonce_;
  std::set<std::size_t> connected_types_, was_asked_;
};

void converse(Encoding encoding) {
  int pushes = 0, refusals = 0;
  for (unsigned seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Conversation conversation(encoding, seed);
    conversation.run(400);
    pushes += conversation.pushes;
    refusals += conversation.refusals;
    if (testing::Test::HasFatalFailure()) return;
  }
  EXPECT_GT(pushes, 10'000);
  EXPECT_GT(refusals, 100);
}

TEST(FakeEnvoy, ComesToRestWithWhatWasOfferedOverDelta) { converse(Encoding::Delta); }
TEST(FakeEnvoy, ComesToRestWithWhatWasOfferedInStateOfTheWorld) { converse(Encoding::StateOfTheWorld); }

}  // namespace
}  // namespace mesh
