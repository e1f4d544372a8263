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

TEST(PostgresStore, ListsTenThousandByReadingEachOnce) {
  const PostgresServer server = new_database();
  const auto store = open_at(server);
  store->write(only(put(mesh_key("prod")))).value();
  constexpr int kCount = 10'000, kPage = 1'000;
  std::vector<Write> batch;
  for (int i = 0; i < kCount; ++i) batch.push_back(put(widget_key("prod", fmt::format("{:05}", i))));
  store->write(std::move(batch)).value();
  run_sql(server, "VACUUM ANALYZE taskmesh.resources");

  // What the server says that it did for a page.
  const auto plan = connect(server)
                        ->run(
                            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT * FROM taskmesh.resources "
                            "WHERE kind = 'Widget' ORDER BY mesh, name OFFSET 0 LIMIT 1000")
                        .value();
  std::string text;
  for (int row = 0; row < plan.back().count(); ++row) text += std::string(plan.back().text(row, 0)) + "\n";
  EXPECT_THAT(text, testing::AllOf(testing::HasSubstr("Index Scan"), testing::HasSubstr("rows=1000 "),
                                   testing::Not(testing::HasSubstr("Sort"))))
      << "a page is cut from the index, in its order";

  const Page all = store->list({.kind = &kWidget}).value();
  EXPECT_EQ(all.total, static_cast<std::size_t>(kCount));
  ASSERT_EQ(all.items.size(), static_cast<std::size_t>(kCount));
  std::size_t at = 0;
  for (std::size_t offset = 0; offset < kCount; offset += kPage) {
    const Page page = store->list({.kind = &kWidget, .offset = offset, .size = kPage}).value();
    EXPECT_EQ(page.total, static_cast<std::size_t>(kCount));
    for (const Resource& item : page.items) EXPECT_EQ(item.key, all.items[at++].key);
  }
  EXPECT_EQ(at, static_cast<std::size_t>(kCount));
}

}  // namespace
}  // namespace mesh::contract
