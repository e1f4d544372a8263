// Of several control planes on one database one leads: it does what must be done once (clean-up, names, DNS records).
// Being the leader is known with a delay, so it is no proof: what the leader writes goes through store(), which takes
// a write only while this instance is the leader in the database itself.
#pragma once

#include <set>
#include <string>

#include "store/store.h"

namespace mesh {

// Proof of having been the leader: a write that carries it stands only while nobody else became the leader since.
struct Fence {
  std::string lease;
  std::string holder;
  std::uint64_t token = 0;
};

// Thread-safe.
class Leadership {
 public:
  virtual ~Leadership() = default;
  virtual bool is_leader() const = 0;
  // The store, for the leader's jobs. Writes are refused (Conflict) when another instance leads. Outlived by this.
  virtual Store& store() = 0;
  // Other instances that are alive: what they say of their proxies holds. One that stopped is missing within seconds.
  virtual std::set<std::string> others() const = 0;
  // Grows with each new leader; what was done in an earlier term is known by it.
  virtual std::uint64_t term() const { return 0; }
  // Never leads again. What this instance says of its proxies goes on to hold: it is still alive.
  virtual void step_down() {}
  // Is not alive any more, and tells nobody anything.
  virtual void stop() {}
};

// Of a store that has one owner.
class SoleLeader final : public Leadership {
 public:
  explicit SoleLeader(Store& store) : store_(store) {}
  bool is_leader() const override { return true; }
  Store& store() override { return store_; }
  std::set<std::string> others() const override { return {}; }

 private:
  Store& store_;
};

}  // namespace mesh
