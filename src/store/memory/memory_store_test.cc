#include "store/memory/memory_store.h"

#include "store/contract/store_contract.h"

namespace mesh::contract {

INSTANTIATE_TEST_SUITE_P(Memory, StoreContract,
                         testing::Values(Backend{
                             .name = "memory",
                             .make = [] { return std::make_unique<MemoryStore>(); },
                             .make_with_short_memory =
                                 [](std::size_t deletions) {
                                   return std::make_unique<MemoryStore>(
                                       ContentsLimits{.remembered_deletions = deletions});
                                 },
                         }));

}  // namespace mesh::contract
