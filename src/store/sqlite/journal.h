// The content on disk: read once at the start, then only written. Used by one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/kind.h"
#include "store/contents.h"
#include "store/sqlite/database.h"

namespace mesh {

class Journal {
 public:
  struct Loaded {
    std::vector<StoredRow> rows;
    Revision revision = 0;
  };

  // Locks the file for as long as the journal lives, and brings its schema up to date.
  static Result<std::unique_ptr<Journal>> open(const std::filesystem::path& path,
                                               std::chrono::milliseconds wait_for_lock);

  // Everything that can be read. A row of an unknown kind, or with a spec that this program cannot read, is left in the
  // file, named in the log and left out, so that it harms nothing but itself.
  Result<Loaded> load(const KindRegistry& registry);

  // In one transaction, on disk when it returns. After a failure the file holds what it held before.
  Status append(std::span<const Draft::Entry> entries, Revision revision);

  const std::string& id() const { return id_; }

 private:
  explicit Journal(Database database) : database_(std::move(database)) {}
  Status prepare();
  Status write_all(std::span<const Draft::Entry> entries, Revision revision);
  Status put(const StoredResource& row);
  Status erase(const ResourceKey& key);

  Database database_;
  Statement put_, erase_, erase_owned_, set_revision_;
  std::string id_;
  bool has_unreadable_ = false;
};

}  // namespace mesh
