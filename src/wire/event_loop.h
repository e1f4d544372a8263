// The threads that serve sockets. Everything that belongs to one connection or stream runs on one Strand, one event
// at a time, so that protocol code needs no locks. Built on Asio, which no other room sees.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/clock.h"

namespace mesh::wire {

using Task = std::move_only_function<void()>;

// Cancels its task when it goes away. Use it on the strand it was made on.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&&) noexcept = default;
  Timer& operator=(Timer&&) noexcept;
  ~Timer();
  void cancel();

 private:
  friend class Strand;
  struct State;
  std::shared_ptr<State> state_;
};

// A serial queue over the loop's threads. Cheap to copy. Thread-safe. It may outlive its loop: what is posted then is
// dropped.
class Strand {
 public:
  void post(Task task) const;
  [[nodiscard]] Timer after(Duration delay, Task task) const;

 private:
  friend class EventLoop;
  friend struct StrandAccess;
  struct State;
  std::shared_ptr<State> state_;
};

class EventLoop {
 public:
  explicit EventLoop(int threads);
  ~EventLoop();  // stop(), then joins
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Strand make_strand();
  void post(Task task);
  void stop();
  void wait();  // until stop() was called and all threads have ended
  // Calls `on_signal(number)` on the loop for each of these signals; once per process.
  void on_signals(std::initializer_list<int> numbers, std::function<void(int)> on_signal);

  struct Impl;
  Impl& impl() { return *impl_; }  // for this room only

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace mesh::wire
