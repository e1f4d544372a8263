#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace mesh {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

class Log : public testing::Test {
 protected:
  std::string written(log::Format format, std::string_view text) {
    const std::string path = testing::TempDir() + "log_test.log";
    std::filesystem::remove(path);
    EXPECT_TRUE(log::set_up({.level = log::Level::Info, .format = format, .output_path = path}));
    log::write("store", log::Level::Warn, text);
    std::stringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }
  void TearDown() override { EXPECT_TRUE(log::set_up({})); }
};

TEST_F(Log, LinesHaveTimeLevelRoomAndText) {
  EXPECT_THAT(written(log::Format::Text, "opened it"), EndsWith("Z warn  [store] opened it\n"));
  EXPECT_THAT(written(log::Format::Json, "opened \"it\""),
              EndsWith(R"("level":"warn","room":"store","message":"opened \"it\""})"
                       "\n"));
}

TEST_F(Log, TextFromOutsideCannotForgeALine) {
  const std::string evil = "proxy a\n2026-01-01T00:00:00.000Z error [cp] forged\x1b[31m\r";
  EXPECT_THAT(written(log::Format::Text, evil),
              EndsWith("proxy a\n    2026-01-01T00:00:00.000Z error [cp] forged\\x1b[31m\\x0d\n"));
  EXPECT_THAT(written(log::Format::Json, evil), Not(HasSubstr("\n2026")));
}

TEST_F(Log, SaysThatItsFileCannotBeOpened) {
  const Status set =
      log::set_up({.level = log::Level::Info, .format = log::Format::Text, .output_path = "/proc/nowhere/x.log"});
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message(), HasSubstr("/proc/nowhere/x.log"));
}

}  // namespace
}  // namespace mesh
