// What the event loop is made of, for the .cc files of this room that touch Asio.
#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "wire/asio.h"
#include "wire/event_loop.h"

namespace mesh::wire {

namespace asio = boost::asio;
using StrandExecutor = asio::strand<asio::io_context::executor_type>;

// Kept alive by everything that Asio ties to it, so that strands, timers and sockets may outlive their loop: they are
// dead then, but safe to touch and to destroy.
struct LoopContext : asio::io_context {
  using asio::io_context::io_context;
  void end() { shutdown(); }         // destroys all that waits
  std::atomic<bool> is_open = true;  // tasks are taken
};

struct EventLoop::Impl {
  explicit Impl(int thread_count)
      : shared(std::make_shared<LoopContext>(thread_count <= 1 ? 1 : thread_count)),
        context(*shared),
        work(asio::make_work_guard(context)),
        signals(context) {}

  std::shared_ptr<LoopContext> shared;
  LoopContext& context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::signal_set signals;
  std::function<void(int)> on_signal;
  std::stop_source stopped;
  std::mutex threads_mutex;
  std::vector<std::jthread> threads;

  void wait_for_signal();
};

struct Strand::State {
  std::shared_ptr<LoopContext> context;  // first: goes last
  StrandExecutor executor;
};

struct StrandAccess {
  static const StrandExecutor& executor(const Strand& strand) { return strand.state_->executor; }
  static const std::shared_ptr<LoopContext>& context(const Strand& strand) { return strand.state_->context; }
};

}  // namespace mesh::wire
