// Connections that are kept for the next who needs one. Thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "store/postgres/connection.h"

namespace mesh {

struct PostgresPoolSettings {
  std::size_t keep_open = 0;                     // idle ones beyond this may grow old
  std::size_t at_most = 50;                      // zero: no limit
  Duration max_idle = std::chrono::minutes(30);  // zero: no limit
  Duration max_age = std::chrono::hours(1);      // zero: no limit
  Duration max_age_jitter = std::chrono::minutes(1);
  Duration wait = std::chrono::seconds(5);  // for a connection, when all are in use
};

class PostgresPool {
 public:
  PostgresPool(PostgresServer server, PostgresPoolSettings settings);

  // Goes back to the pool at its end, unless it broke.
  class Borrowed {
   public:
    Borrowed(Borrowed&&) noexcept = default;
    Borrowed& operator=(Borrowed&&) = delete;
    ~Borrowed();
    PostgresConnection* operator->() const { return connection_.get(); }
    PostgresConnection& operator*() const { return *connection_; }
    // It may be in the middle of something: it is closed and not used again.
    void discard() { broken_ = true; }

   private:
    friend class PostgresPool;
    Borrowed(PostgresPool& pool, std::unique_ptr<PostgresConnection> connection, SteadyTime old)
        : pool_(&pool), connection_(std::move(connection)), old_(old) {}
    PostgresPool* pool_;
    std::unique_ptr<PostgresConnection> connection_;
    SteadyTime old_;
    bool broken_ = false;
  };
  // A server that does not even refuse is asked by one at a time: whoever comes meanwhile is told what the last one
  // was, so that threads are not lost to it.
  Result<Borrowed> borrow();

  // A connection that broke says that the others that wait here did as well.
  void close_idle();
  // Opens what is missing of `keep_open`, closes what is idle for too long. Call it now and then.
  Status look_after();
  const PostgresServer& server() const { return server_; }

  // Runs `what` on a connection. One that broke while it waited in the pool is no reason to fail: then once more on a
  // new one. Only for what may be done twice.
  template <class What>
  auto with(What what) -> decltype(what(std::declval<PostgresConnection&>())) {
    for (bool again = true;; again = false) {
      Result<Borrowed> connection = borrow();
      if (!connection.has_value()) return Error(std::move(connection).error());
      auto result = what(**connection);
      if (result.has_value() || !(*connection)->is_broken()) return result;
      close_idle();
      if (!again) return result;
    }
  }

 private:
  struct Idle {
    std::unique_ptr<PostgresConnection> connection;
    SteadyTime since, old;
  };
  void give_back(Borrowed& borrowed);
  void note_failure(const Error& error, Duration took);
  SteadyTime grows_old(SteadyTime now) const;

  const PostgresServer server_;
  const PostgresPoolSettings settings_;
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<Idle> idle_;
  std::size_t open_ = 0;
  std::optional<Error> silence_;  // what the last one was told who waited in vain for the server
  bool is_asked_ = false;         // somebody waits for it now, after that
};

}  // namespace mesh
