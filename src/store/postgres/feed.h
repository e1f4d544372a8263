// The change feed of a database that others write to as well. A connection of its own listens (it must reach the server
// directly: a pooler that shares connections between transactions would swallow what is notified). A notification only
// says "look": what changed is always read, by revision, so that one that was dropped costs time and loses nothing.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "store/postgres/pool.h"
#include "store/postgres/rows.h"
#include "store/store.h"

namespace mesh {

inline constexpr const char* kChangesChannel = "taskmesh_changes";

// Tells which revisions are good in this life of the database. In a transaction that holds the row of taskmesh.store:
// `given` is what the row says. A new life begins far above all revisions of the last, and remembers no deletions, so
// that every reader of before starts over.
Result<Revision> settle_epoch(PostgresConnection& connection, std::string_view given_epoch, Revision given_revision);

// Thread-safe.
class PostgresFeed {
 public:
  PostgresFeed(PostgresPool& pool, const KindRegistry& registry);
  ~PostgresFeed();

  void start();
  void note(Revision committed);  // it need not wait for the notification of what we wrote ourselves
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop);

 private:
  struct Look {
    ChangeBatch batch;
    bool is_empty = false;  // nothing is stored at all
  };
  Result<Look> look(Revision after);
  Result<Look> look(PostgresConnection& connection, Revision after);
  Result<Look> read(PostgresConnection& connection, Revision after);
  void listen(std::stop_token stop);
  Status listen_once(std::stop_token stop, int wake);
  void set_listening(bool listening);

  PostgresPool& pool_;
  const KindRegistry& registry_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  Revision committed_ = 0;  // the highest that was heard of
  bool listening_ = false;
  std::jthread listener_;
};

}  // namespace mesh
