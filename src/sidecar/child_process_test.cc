#include "sidecar/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <future>

namespace mesh::sidecar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A program that ran, with everything that was heard of it.
class ChildProcessTest : public testing::Test {
 protected:
  ProcessEvents events() {
    return {.on_line =
                [this](std::string line) {
                  lines.push_back(std::move(line));
                  if (lines.size() == 1) first_line.set_value();
                },
            .on_ended = [this](ProcessEnd end) { ended.set_value(end); }};
  }
  // Starts it on its strand, as the sidecar does: the program lives as long as the thread that forked it.
  Result<int> start(const std::string& path, const std::vector<std::string>& arguments) {
    std::promise<Result<int>> started;
    strand.post([&] {
      auto result = runner->start(path, arguments, strand, events());
      if (result) process = std::move(*result);
      started.set_value(result ? Result<int>(process->pid()) : Result<int>(result.error()));
    });
    return started.get_future().get();
  }
  void send(int number) {
    strand.post([this, number] { process->send_signal(number); });
  }

  std::vector<std::string> lines;
  std::promise<void> first_line;
  std::promise<ProcessEnd> ended;
  wire::EventLoop loop{1};
  wire::Strand strand = loop.make_strand();
  std::unique_ptr<ProcessRunner> runner = make_process_runner();
  std::unique_ptr<Process> process;
};

TEST_F(ChildProcessTest, TellsItsLinesAndThenItsEnd) {
  ASSERT_TRUE(start("/bin/sh", {"-c", "echo one; echo two >&2; printf three; exit 7"}));
  EXPECT_EQ(ended.get_future().get().exit_code, 7);
  EXPECT_THAT(lines, ElementsAre("one", "two", "three"));
}

TEST_F(ChildProcessTest, TellsTheSignalThatEndedIt) {
  ASSERT_TRUE(start("/bin/sh", {"-c", "echo here; exec sleep 60"}));
  first_line.get_future().wait();
  send(SIGTERM);
  EXPECT_EQ(ended.get_future().get().signal, SIGTERM);
}

TEST_F(ChildProcessTest, EndsAlsoWhenAGrandchildKeepsTheOutputOpen) {
  ASSERT_TRUE(start("/bin/sh", {"-c", "sleep 60 & echo $!; exit 3"}));
  EXPECT_EQ(ended.get_future().get().exit_code, 3);
  ASSERT_EQ(lines.size(), 1);
  ::kill(std::stoi(lines[0]), SIGKILL);
}

TEST_F(ChildProcessTest, IsKilledWithItsObject) {
  const auto pid = start("/bin/sh", {"-c", "echo here; exec sleep 60"});
  ASSERT_TRUE(pid);
  first_line.get_future().wait();
  std::promise<void> gone;
  strand.post([&] {
    process.reset();
    gone.set_value();
  });
  gone.get_future().wait();
  std::promise<void> reaped;
  strand.post([&] { reaped.set_value(); });  // behind the reaping, which was posted before
  reaped.get_future().wait();
  EXPECT_NE(::kill(*pid, 0), 0);
}

TEST_F(ChildProcessTest, SaysWhyItWasNotStarted) {
  auto started = start("/nowhere/envoy", {});
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), testing::AllOf(HasSubstr("/nowhere/envoy"), HasSubstr("does not exist")));
  started = start("/etc/passwd", {});
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message(), HasSubstr("may not be executed"));
}

TEST_F(ChildProcessTest, LongLinesComeInParts) {
  ASSERT_TRUE(start("/bin/sh", {"-c", "head -c 200000 /dev/zero | tr '\\0' x"}));
  EXPECT_EQ(ended.get_future().get().exit_code, 0);
  std::size_t total = 0;
  for (const std::string& line : lines) total += line.size();
  EXPECT_EQ(total, 200000);
  EXPECT_GT(lines.size(), 1);
}

}  // namespace
}  // namespace mesh::sidecar
