#include "base/random.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace mesh {
namespace {

TEST(Uuid, HasTheFormOfVersion4) {
  const std::regex form("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  EXPECT_TRUE(std::regex_match(make_uuid(), form));
}

TEST(Uuid, IsNeverTheSameTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(make_uuid());
  EXPECT_EQ(seen.size(), 1000U);
}

}  // namespace
}  // namespace mesh
