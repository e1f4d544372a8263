// The lease that makes one of several control planes the leader: a row with a holder, a time by the database's clock
// until which it holds, and a token that grows with each new holder. Held by renewing it every second; free again a few
// seconds after its holder died, at once when it stopped. In the same way each instance holds a lease of its own, by
// which the others know that it is alive.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "store/leadership.h"
#include "store/postgres/postgres_store.h"

namespace mesh {

class PostgresLeadership final : public Leadership {
 public:
  struct Settings {
    std::string lease = "leader";
    std::string holder;  // this instance
    std::chrono::milliseconds renew{1000};
    std::chrono::milliseconds holds{3500};  // after the last renewal
  };
  // `changed` is told, on a thread of its own, of a new leader or a new set of others.
  PostgresLeadership(Settings settings, PostgresStore& store, std::function<void()> changed);
  ~PostgresLeadership() override;  // gives the lease back

  void start();
  void step_down() override;
  void stop() override;
  bool is_leader() const override;
  Store& store() override;
  std::uint64_t term() const override { return token_; }
  std::set<std::string> others() const override;
  bool try_once();  // without a thread: takes or renews the lease. Returns whether it is held
  Fence fence() const;

 private:
  class FencedStore;
  void run(std::stop_token stop);
  void pause();
  void give_back(const std::string& lease);
  bool take_lead(SteadyTime asked);
  bool look_round();

  const Settings settings_;
  PostgresStore& store_;
  const std::function<void()> changed_;
  std::unique_ptr<FencedStore> fenced_;
  std::atomic<std::uint64_t> token_{0};
  std::atomic<Duration::rep> leads_until_{0};  // by the steady clock
  mutable std::mutex others_mutex_;
  std::set<std::string> others_;
  bool led_ = false;
  bool stepped_down_ = false;
  bool stopped_ = false;
  bool said_away_ = false;
  std::jthread thread_;
};

}  // namespace mesh
