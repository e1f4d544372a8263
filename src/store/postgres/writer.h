// Writes of one control plane, in transactions. One thread takes every write that waits, tries each against what the
// database holds, and commits all that stand together: a thousand proxies that register at once share a few commits,
// and the row that all control planes lock to write is held for a short time.
//
// A write is answered when its commit is. When the connection is lost in the middle of a commit, the server is asked
// what became of it.
#pragma once

#include <future>
#include <optional>
#include <span>
#include <thread>

#include "base/mailbox.h"
#include "store/leadership.h"
#include "store/postgres/feed.h"
#include "store/postgres/pool.h"
#include "store/postgres/rows.h"

namespace mesh {

// Thread-safe.
class PostgresWriter {
 public:
  PostgresWriter(PostgresPool& pool, RowKinds& kinds, PostgresFeed& feed, std::size_t remembered_deletions);
  ~PostgresWriter();

  Result<Revision> write(std::vector<Write> writes, std::optional<Fence> fence);

 private:
  struct Request {
    std::vector<Write> writes;
    std::optional<Fence> fence;
    std::promise<Result<Revision>> answer;
  };
  using Answers = std::vector<Result<Revision>>;
  // What is known of a transaction while it runs.
  struct Progress {
    std::string id;
    bool is_committing = false;
  };

  void run(std::stop_token stop);
  void write_together(std::span<Request> group, const std::stop_token& stop);
  Status try_to_write(std::span<Request> group, Answers& answers, const std::stop_token& stop);
  Status transact(PostgresConnection& connection, std::span<Request> group, Answers& answers, Progress& progress);
  Status load(PostgresConnection& connection, std::span<Request> group, Revision revision, Contents& there);
  Status save(PostgresConnection& connection, const Draft& draft);
  Status forget_old_deletions(PostgresConnection& connection, std::size_t new_ones);
  Result<bool> was_committed(const Progress& progress, const std::string& epoch, const std::stop_token& stop);

  PostgresPool& pool_;
  RowKinds& kinds_;
  PostgresFeed& feed_;
  const std::size_t remembered_deletions_;
  std::size_t deletions_since_forgetting_;
  bool said_away_ = false;
  Mailbox<Request> requests_;
  std::jthread thread_;
};

}  // namespace mesh
