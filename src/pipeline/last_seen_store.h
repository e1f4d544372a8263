// The store as the door for sidecars sees it: where the database cannot be asked, what this instance knows of proxies,
// meshes and keys goes on to hold, so that a proxy that comes back meanwhile is served what it had. Writes are the
// store's alone: what is new cannot come in while it is away.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "snapshot/snapshot.h"
#include "store/store.h"

namespace mesh {

// Thread-safe. Outlived by the store.
class LastSeenStore final : public Store {
 public:
  using Picture = std::function<std::shared_ptr<const Snapshot>()>;
  LastSeenStore(Store& store, Picture picture) : store_(store), picture_(std::move(picture)) {}

  Result<Revision> write(std::vector<Write> writes) override { return store_.write(std::move(writes)); }
  Result<Resource> get(const ResourceKey& key) const override;
  Result<Page> list(const Query& query) const override { return store_.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return store_.wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return store_.id(); }

 private:
  void remember(const ResourceKey& key, const Result<Resource>& answer) const;
  std::optional<Result<Resource>> recall(const ResourceKey& key) const;

  Store& store_;
  const Picture picture_;
  // The picture has no global secrets: what was answered of the first few that were asked for (nothing: it is not
  // there).
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::optional<Resource>> global_secrets_;
};

}  // namespace mesh
