// A store that forgets everything when the process ends: for tests, and for trying things out.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "store/contents.h"
#include "store/store.h"

namespace mesh {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(ContentsLimits limits = {});
  Result<Revision> write(std::vector<Write> writes) override;
  Result<Resource> get(const ResourceKey& key) const override { return contents_.get(key); }
  Result<Page> list(const Query& query) const override { return contents_.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return contents_.wait_for_changes(after, stop);
  }
  std::string id() const override { return id_; }

 private:
  const std::string id_;
  std::mutex writing_;
  Contents contents_;
};

}  // namespace mesh
