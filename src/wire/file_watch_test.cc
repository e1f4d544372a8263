#include "wire/file_watch.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/files.h"
#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;
namespace fs = std::filesystem;

class FileWatching : public testing::Test {
 protected:
  FileWatching() { fs::create_directories(folder); }
  ~FileWatching() override { fs::remove_all(folder); }

  std::unique_ptr<FileWatch> watch(const fs::path& file) {
    auto made = std::make_unique<FileWatch>(loop, std::vector{file}, [this, file] {
      auto content = fs::is_directory(file) ? Result<std::string>("a folder") : read_file(file);
      seen.put(content ? *content : "nothing");
    });
    made->start();
    return made;
  }
  // A slow writer may be seen twice: what counts is what was seen in the end.
  void expect_to_see(const std::string& content) {
    while (true) {
      const std::string now = seen.take();
      if (now == content || HasFailure()) return;
    }
  }

  const fs::path folder = fs::temp_directory_path() / ("file_watch_test_" + std::to_string(::getpid()));
  Box<std::string> seen;
  EventLoop loop{1};
};

void write(const fs::path& file, const std::string& content) { ASSERT_TRUE(write_file_atomically(file, content)); }

TEST_F(FileWatching, SeesAFileThatIsWrittenOver) {
  write(folder / "tls.crt", "old");
  const auto watching = watch(folder / "tls.crt");
  std::ofstream(folder / "tls.crt") << "new one";
  expect_to_see("new one");
}

TEST_F(FileWatching, SeesAFileThatIsRenamedIntoPlaceAgainAndAgain) {
  write(folder / "tls.crt", "0");
  const auto watching = watch(folder / "tls.crt");
  for (const char* content : {"1", "2", "3"}) {
    write(folder / "tls.crt", content);
    expect_to_see(content);
  }
}

TEST_F(FileWatching, SeesAFileThatGoesAndComes) {
  write(folder / "tls.crt", "old");
  const auto watching = watch(folder / "tls.crt");
  fs::remove(folder / "tls.crt");
  expect_to_see("nothing");
  write(folder / "tls.crt", "new");
  expect_to_see("new");
}

// tls.crt → ..data/tls.crt, ..data → ..version, and ..data is turned: as Kubernetes does it.
TEST_F(FileWatching, SeesALinkOnTheWayThatIsTurned) {
  const auto turn_to = [&](const std::string& version) {
    fs::create_directory(folder / (".." + version));
    write(folder / (".." + version) / "tls.crt", version);
    fs::create_directory_symlink(".." + version, folder / "..data_tmp");
    fs::rename(folder / "..data_tmp", folder / "..data");
  };
  turn_to("1");
  fs::create_symlink("..data/tls.crt", folder / "tls.crt");
  const auto watching = watch(folder / "tls.crt");
  for (const char* version : {"2", "3"}) {
    turn_to(version);
    expect_to_see(version);
  }
}

TEST_F(FileWatching, SeesWhatHappensBehindALinkToAnotherFolder) {
  fs::create_directory(folder / "elsewhere");
  write(folder / "elsewhere" / "real.crt", "old");
  fs::create_directory(folder / "here");
  fs::create_symlink(folder / "elsewhere" / "real.crt", folder / "here" / "tls.crt");
  const auto watching = watch(folder / "here" / "tls.crt");
  write(folder / "elsewhere" / "real.crt", "new");
  expect_to_see("new");
}

TEST_F(FileWatching, SeesTheFilesOfAFolder) {
  fs::create_directory(folder / "cas");
  const auto watching = watch(folder / "cas");
  write(folder / "cas" / "more.pem", "one more");
  expect_to_see("a folder");
}

TEST_F(FileWatching, SeesWhatChangedBeforeItStarted) {
  write(folder / "tls.crt", "old");
  FileWatch early(loop, {folder / "tls.crt"}, [this] { seen.put("changed"); });
  write(folder / "tls.crt", "newer");
  early.start();
  expect_to_see("changed");
}

TEST_F(FileWatching, SaysNothingOfOtherFilesNorAfterItsEnd) {
  write(folder / "tls.crt", "old");
  auto ended = watch(folder / "tls.crt");
  ended.reset();
  write(folder / "tls.crt", "new");
  FileWatch other(loop, {folder / "other.crt"}, [this] { seen.put("other"); });
  other.start();
  write(folder / "unrelated", "x");
  write(folder / "other.crt", "y");
  EXPECT_EQ(seen.take(), "other");
  EXPECT_EQ(seen.size(), 0U);
}

}  // namespace
}  // namespace mesh::wire
