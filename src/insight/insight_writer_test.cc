#include "insight/insight_writer.h"

#include <gtest/gtest.h>

namespace mesh {
namespace {

using namespace std::chrono_literals;

// Takes everything, and counts.
class CountingStore final : public Store {
 public:
  Result<Revision> write(std::vector<Write> writes) override {
    ++transactions;
    rows += writes.size();
    largest = std::max(largest, writes.size());
    return Revision{transactions};
  }
  Result<Resource> get(const ResourceKey&) const override { return error(ErrorKind::NotFound, "nothing is kept"); }
  Result<Page> list(const Query&) const override { return Page{}; }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token) override { return ChangeBatch{.upto = after}; }
  std::string id() const override { return "counting"; }

  std::size_t transactions = 0, rows = 0, largest = 0;
};

class InsightWriterTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kProxies = 5000;

  void connect_all() {
    for (std::uint64_t i = 0; i < kProxies; ++i)
      writer.tell([i](InsightBook& book, SystemTime now) {
        book.on_connected(i, {{"default", "web-" + std::to_string(i)}, "{}", "1.40.0", "abc"}, now);
      });
  }
  void push_to_all() {
    for (std::uint64_t i = 0; i < kProxies; ++i)
      writer.tell([i](InsightBook& book, SystemTime now) { book.on_sent(i, DiscoveryKind::Cluster, now); });
  }
  void pass(Duration time) {
    for (Duration gone{}; gone < time; gone += 20ms) {
      clock.advance(20ms);
      writer.step();
    }
  }

  ManualClock clock{SystemTime(std::chrono::seconds(1'800'000'000))};
  CountingStore store;
  InsightWriter writer{{.book = {.instance_id = "cp-1"}}, store, clock};
};

TEST_F(InsightWriterTest, WritesWhatFiveThousandProxiesDoInAFewTransactions) {
  connect_all();
  pass(1s);
  EXPECT_EQ(store.rows, kProxies) << "who is connected is there within a second";
  EXPECT_LE(store.transactions, 30U);
  EXPECT_LE(store.largest, 200U) << "others write as well, and must not wait for long";
}

TEST_F(InsightWriterTest, WritesCountersOfAllOnceInTenSecondsHoweverOftenTheyChange) {
  connect_all();
  pass(10s);
  const std::size_t transactions = store.transactions, rows = store.rows;
  for (int second = 0; second < 20; ++second) {
    push_to_all();
    pass(1s);
  }
  EXPECT_LE(store.rows - rows, 3 * kProxies) << "a hundred thousand pushes";
  EXPECT_LE(store.transactions - transactions, 80U);
}

}  // namespace
}  // namespace mesh
