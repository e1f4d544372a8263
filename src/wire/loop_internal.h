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

struct EventLoop::Impl {
  explicit Impl(int thread_count)
      : context(thread_count <= 1 ? 1 : thread_count), work(asio::make_work_guard(context)), signals(context) {}

  asio::io_context context;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::signal_set signals;
  std::function<void(int)> on_signal;
  // Outlives the loop, so that a handle that does can tell that nothing will run any more.
  std::shared_ptr<std::atomic<bool>> alive = std::make_shared<std::atomic<bool>>(true);
  std::stop_source stopped;
  std::mutex threads_mutex;
  std::vector<std::jthread> threads;

  void wait_for_signal();
};

struct Strand::State {
  StrandExecutor executor;
  std::shared_ptr<std::atomic<bool>> loop_alive;
};

struct StrandAccess {
  static const StrandExecutor& executor(const Strand& strand) { return strand.state_->executor; }
};

}  // namespace mesh::wire
