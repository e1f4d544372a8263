#include "wire/event_loop.h"

#include <algorithm>

#include "wire/loop_access.h"
#include "wire/loop_internal.h"

namespace mesh::wire {

struct Timer::State {
  State(std::shared_ptr<LoopContext> loop, const StrandExecutor& executor)
      : context(std::move(loop)), timer(executor) {}

  std::shared_ptr<LoopContext> context;  // first: goes last
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, StrandExecutor>
      timer;
  bool cancelled = false;
};

Timer& Timer::operator=(Timer&& other) noexcept {
  if (this != &other) {
    cancel();
    state_ = std::move(other.state_);
  }
  return *this;
}

Timer::~Timer() { cancel(); }

void Timer::cancel() {
  if (!state_) return;
  // The wait may have completed already, its handler waiting on the strand: the flag stops that one.
  state_->cancelled = true;
  state_->timer.cancel();
  state_.reset();
}

void Strand::post(Task task) const {
  if (!state_ || !state_->context->is_open.load(std::memory_order_acquire)) return;
  asio::post(state_->executor, std::move(task));
}

Timer Strand::after(Duration delay, Task task) const {
  constexpr Duration kLongest = std::chrono::hours(24 * 365);  // the clock's end must not be passed
  Timer timer;
  timer.state_ = std::make_shared<Timer::State>(state_->context, state_->executor);
  timer.state_->timer.expires_after(std::clamp(delay, Duration::zero(), kLongest));
  // The task belongs to the wait and not to the timer: tasks often hold the timer's owner, and when the loop goes
  // without having run them, they let go of it.
  timer.state_->timer.async_wait(
      [state = timer.state_, task = std::move(task)](boost::system::error_code error) mutable {
        if (!error && !state->cancelled) task();
      });
  return timer;
}

EventLoop::EventLoop(int threads) : impl_(std::make_unique<Impl>(threads)) {
  for (int i = 0; i < threads; ++i) impl_->threads.emplace_back([this] { impl_->context.run(); });
}

EventLoop::~EventLoop() {
  stop();
  wait();
  impl_->context.is_open.store(false, std::memory_order_release);
  impl_->work.reset();
  impl_->context.end();
}

Strand EventLoop::make_strand() {
  Strand strand;
  strand.state_ =
      std::make_shared<Strand::State>(Strand::State{impl_->shared, StrandExecutor(impl_->context.get_executor())});
  return strand;
}

void EventLoop::post(Task task) { asio::post(impl_->context, std::move(task)); }

void EventLoop::stop() {
  impl_->context.stop();
  impl_->stopped.request_stop();
}

void EventLoop::wait() {
  std::lock_guard lock(impl_->threads_mutex);
  for (std::jthread& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
  impl_->threads.clear();
}

void EventLoop::on_signals(std::initializer_list<int> numbers, std::function<void(int)> on_signal) {
  for (int number : numbers) {
    boost::system::error_code ignored;
    impl_->signals.add(number, ignored);
  }
  impl_->on_signal = std::move(on_signal);
  impl_->wait_for_signal();
}

void EventLoop::Impl::wait_for_signal() {
  signals.async_wait([this](boost::system::error_code error, int number) {
    if (error) return;
    wait_for_signal();
    on_signal(number);
  });
}

void run_until(EventLoop& loop, const bool& done) {
  while (!done) loop.impl().context.run_one();
}

void run_ready(EventLoop& loop) { loop.impl().context.poll(); }

bool is_current(const Strand& strand) { return StrandAccess::executor(strand).running_in_this_thread(); }

bool runs_on(EventLoop& loop) { return loop.impl().context.get_executor().running_in_this_thread(); }

std::stop_token stop_token_of(EventLoop& loop) { return loop.impl().stopped.get_token(); }

}  // namespace mesh::wire
