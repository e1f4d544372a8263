// The lease that makes one of several control planes the leader: a row with a holder, a time by the database's clock
// until which it holds, and a token that grows with each new holder. Held by renewing it every second; free again a few
// seconds after its holder died, at once when it stopped.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
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
  // `changed` is told on a thread of its own.
  PostgresLeadership(Settings settings, PostgresStore& store, std::function<void(bool leads)> changed);
  ~PostgresLeadership() override;  // gives the lease back

  void start();
  bool is_leader() const override;
  Store& store() override;
  bool try_once();  // without a thread: takes or renews the lease. Returns whether it is held
  Fence fence() const;

 private:
  class FencedStore;
  void run(std::stop_token stop);
  void give_back();

  const Settings settings_;
  PostgresStore& store_;
  const std::function<void(bool)> changed_;
  std::unique_ptr<FencedStore> fenced_;
  std::atomic<std::uint64_t> token_{0};
  std::atomic<Duration::rep> leads_until_{0};  // by the steady clock
  bool led_ = false;
  bool said_away_ = false;
  std::jthread thread_;
};

}  // namespace mesh
