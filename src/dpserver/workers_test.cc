#include "dpserver/workers.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace mesh
