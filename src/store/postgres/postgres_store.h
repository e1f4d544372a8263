// The store that several control planes share: a PostgreSQL database. Reads are queries, so every instance sees what
// any of them has written; the change feed tells each of what the others wrote within milliseconds.
//
// An instance that is cut off from the database answers reads and writes with Unavailable; its readers of the feed
// wait, and get what they missed when it is back.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/kind.h"
#include "store/leadership.h"
#include "store/postgres/pool.h"
#include "store/store.h"

namespace mesh {

class PostgresStore final : public Store {
 public:
  struct Settings {
    PostgresServer server;
    PostgresPoolSettings pool;
    std::size_t remembered_deletions = 100'000;
  };

  // Unavailable, naming the database, the reason and what to do, when it cannot be reached or its schema is not one
  // that this build can work with.
  static Result<std::unique_ptr<PostgresStore>> open(Settings settings, const KindRegistry& registry);
  ~PostgresStore() override;

  Result<Revision> write(std::vector<Write> writes) override;
  // The same, but Conflict when `fence` was overtaken.
  Result<Revision> write_fenced(std::vector<Write> writes, Fence fence);
  Result<Resource> get(const ResourceKey& key) const override;
  Result<Page> list(const Query& query) const override;
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override;
  std::string id() const override;

  PostgresPool& pool();  // for what else lies in this database

 private:
  struct Inside;
  explicit PostgresStore(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace mesh
