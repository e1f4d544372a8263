#include "store/postgres/postgres_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "store/contract/store_contract.h"
#include "store/postgres/migrations.h"
#include "store/postgres/test_database.h"

namespace mesh::contract {
namespace {

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContract,
                         testing::Values(Backend{
                             .name = "postgres",
                             .make = [] { return std::make_unique<StoreInDatabase>(); },
                             .make_with_short_memory =
                                 [](std::size_t deletions) { return std::make_unique<StoreInDatabase>(deletions); },
                         }));

}  // namespace
}  // namespace mesh::contract
