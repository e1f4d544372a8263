#include "store/memory/memory_store.h"

#include "base/random.h"

namespace mesh {

MemoryStore::MemoryStore(ContentsLimits limits) : id_(make_uuid()), contents_(limits) {}

Result<Revision> MemoryStore::write(std::vector<Write> writes) {
  std::lock_guard lock(writing_);
  Draft draft(contents_);
  MESH_TRY(const Revision revision, draft.stage(std::move(writes)));
  contents_.commit(draft);
  return revision;
}

}  // namespace mesh
