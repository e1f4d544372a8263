#include "dpserver/workers.h"

#include <gtest/gtest.h>

#include <future>

namespace mesh {
namespace {

TEST(Workers, TakeNoMoreTasksThanMayWait) {
  Workers workers(0, 2);
  EXPECT_TRUE(workers.run([] {}));
  EXPECT_TRUE(workers.run([] {}));
  EXPECT_FALSE(workers.run([] {}));
}

TEST(Workers, TakeNoMoreBytesThanMayWaitButSmallTasksStill) {
  Workers workers(0, 100, 1000);
  EXPECT_TRUE(workers.run([] {}, 600));
  EXPECT_FALSE(workers.run([] {}, 600));
  EXPECT_TRUE(workers.run([] {}, 10));
}

TEST(WorkerGroups, WhatIsNearDoesNotWaitForWhatIsFar) {
  std::promise<void> answer, done;
  WorkerGroups workers(1, 1, 10);
  ASSERT_TRUE(workers.of(true).run([&] { answer.get_future().wait(); }));
  ASSERT_TRUE(workers.of(false).run([&] { done.set_value(); }));
  done.get_future().wait();
  answer.set_value();
}

}  // namespace
}  // namespace mesh
