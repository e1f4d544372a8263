// The embedded store: one file, no server. SQLite keeps the content safe (write-ahead log, synced before a write is
// answered), and all of it is held in memory as well, so that reads and the change feed touch no disk and share their
// parsed specs with the snapshots. That is right because the file has one owner: the store locks it, and a second
// control plane on the same file is refused.
//
// One thread writes. It takes every write that waits, tries each against the content, and puts all that stand into one
// transaction, so that a thousand proxies that register at once share a few syncs. Readers see a write after it is on
// disk, never before.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/kind.h"
#include "store/contents.h"
#include "store/store.h"

namespace mesh {

class SqliteStore final : public Store {
 public:
  struct Settings {
    std::filesystem::path path;
    // How long a predecessor that is shutting down may still hold the file.
    std::chrono::milliseconds wait_for_lock{5000};
    ContentsLimits limits;
  };

  // Creates the file (readable by its owner only: it holds keys) and its folder when missing, and brings an older
  // schema up to date. Unavailable, naming the file, the reason and what to do.
  static Result<std::unique_ptr<SqliteStore>> open(Settings settings, const KindRegistry& registry);
  ~SqliteStore() override;

  Result<Revision> write(std::vector<Write> writes) override;
  Result<Resource> get(const ResourceKey& key) const override;
  Result<Page> list(const Query& query) const override;
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override;
  std::string id() const override;

 private:
  struct Inside;
  explicit SqliteStore(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace mesh
