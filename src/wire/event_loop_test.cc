#include "wire/event_loop.h"

#include <gtest/gtest.h>

#include <csignal>

#include "wire/test_peers.h"

namespace mesh::wire {
namespace {

using namespace test;

TEST(Strand, RunsItsTasksOneAtATimeAndInOrder) {
  EventLoop loop(4);
  Strand strand = loop.make_strand();
  Box<std::vector<int>> box;
  std::vector<int> seen;  // not guarded: the strand is what guards it
  for (int i = 0; i < 1000; ++i) strand.post([&, i] { seen.push_back(i); });
  strand.post([&] { box.put(seen); });

  std::vector<int> result = box.take();
  ASSERT_EQ(result.size(), 1000U);
  EXPECT_TRUE(std::is_sorted(result.begin(), result.end()));
}

TEST(Timer, RunsItsTaskOnTheStrand) {
  EventLoop loop(1);
  Strand strand = loop.make_strand();
  Box<bool> fired;
  Box<Timer> timers;
  strand.post([&] { timers.put(strand.after(1ms, [&] { fired.put(true); })); });
  EXPECT_TRUE(fired.take());
}

TEST(Timer, DoesNotRunWhenItWentAwayBefore) {
  EventLoop loop(1);
  Strand strand = loop.make_strand();
  Box<std::string> events;
  strand.post([&] {
    Timer dropped = strand.after(0ms, [&] { events.put("dropped"); });
    Timer moved_over = strand.after(0ms, [&] { events.put("replaced"); });
    moved_over = Timer();
  });
  Box<Timer> keep;
  strand.post([&] { keep.put(strand.after(5ms, [&] { events.put("kept"); })); });
  EXPECT_EQ(events.take(), "kept");
}

TEST(EventLoop, HandsOnSignals) {
  EventLoop loop(1);
  Box<int> signals;
  loop.on_signals({SIGUSR1}, [&](int number) { signals.put(number); });
  ::kill(::getpid(), SIGUSR1);
  EXPECT_EQ(signals.take(), SIGUSR1);
}

TEST(Strand, MayOutliveItsLoopAndThenDoesNothing) {
  Strand strand;
  Timer timer;
  auto witness = std::make_shared<int>();
  {
    EventLoop loop(1);
    strand = loop.make_strand();
    timer = strand.after(1h, [witness] { ADD_FAILURE() << "an hour has not passed"; });
    strand.post([witness] {});
  }
  strand.post([witness] { ADD_FAILURE() << "nobody can run this"; });
  timer = Timer();
  EXPECT_EQ(witness.use_count(), 1);  // what waited went with the loop
}

// Held by its own timer, as a listener is while it drains.
TEST(Timer, LetsItsOwnerGoWithTheLoop) {
  struct Owner {
    Timer timer;
  };
  std::weak_ptr<Owner> owner;
  {
    EventLoop loop(1);
    auto made = std::make_shared<Owner>();
    owner = made;
    made->timer = loop.make_strand().after(1h, [made] { ADD_FAILURE() << "an hour has not passed"; });
  }
  EXPECT_TRUE(owner.expired());
}

}  // namespace
}  // namespace mesh::wire
