#include "store/postgres/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

namespace mesh {
namespace {

// A server that is down refuses at once; one that takes longer to do so is cut off.
constexpr Duration kIsSilent = std::chrono::milliseconds(500);

}  // namespace

PostgresPool::PostgresPool(PostgresServer server, PostgresPoolSettings settings)
    : server_(std::move(server)), settings_(settings) {}

PostgresPool::Borrowed::~Borrowed() {
  if (connection_ != nullptr) pool_->give_back(*this);
}

Result<PostgresPool::Borrowed> PostgresPool::borrow() {
  {
    std::unique_lock lock(mutex_);
    const auto may_have_one = [&] { return !idle_.empty() || settings_.at_most == 0 || open_ < settings_.at_most; };
    if (!given_back_.wait_for(lock, settings_.wait, may_have_one))
      return error(ErrorKind::Unavailable, fmt::format("database \"{}\" at {}:{}: all {} connections are in use "
                                                       "(store.postgres.maxOpenConnections)",
                                                       server_.database, server_.host, server_.port, open_));
    if (!idle_.empty()) {
      Idle taken = std::move(idle_.back());
      idle_.pop_back();
      return Borrowed(*this, std::move(taken.connection), taken.old);
    }
    if (silence_ && std::exchange(is_asked_, true)) return *silence_;
    ++open_;
  }
  const SteadyTime began = real_clock().steady();
  Result<std::unique_ptr<PostgresConnection>> opened = PostgresConnection::open(server_);
  const SteadyTime now = real_clock().steady();
  if (!opened.has_value()) {
    note_failure(opened.error(), now - began);
    return std::move(opened).error();
  }
  {
    std::lock_guard lock(mutex_);
    silence_.reset();
    is_asked_ = false;
  }
  return Borrowed(*this, *std::move(opened), grows_old(now));
}

void PostgresPool::note_failure(const Error& error, Duration took) {
  {
    std::lock_guard lock(mutex_);
    --open_;
    is_asked_ = false;
    silence_ = took < kIsSilent ? std::nullopt : std::optional(error);
  }
  given_back_.notify_one();
}

void PostgresPool::give_back(Borrowed& borrowed) {
  const SteadyTime now = real_clock().steady();
  {
    std::lock_guard lock(mutex_);
    if (!borrowed.broken_ && borrowed.connection_->is_idle() && now < borrowed.old_)
      idle_.push_back({std::move(borrowed.connection_), now, borrowed.old_});
    else
      --open_;
  }
  given_back_.notify_one();
  borrowed.connection_.reset();
}

void PostgresPool::close_idle() {
  std::vector<Idle> closed;
  {
    std::lock_guard lock(mutex_);
    closed.swap(idle_);
    open_ -= closed.size();
  }
  given_back_.notify_all();
}

Status PostgresPool::look_after() {
  const SteadyTime now = real_clock().steady();
  std::vector<Idle> closed;
  bool too_few = false;
  {
    std::lock_guard lock(mutex_);
    // The longest idle are in front.
    while (!idle_.empty() &&
           (now >= idle_.front().old || (settings_.max_idle > Duration::zero() && open_ > settings_.keep_open &&
                                         now - idle_.front().since > settings_.max_idle))) {
      closed.push_back(std::move(idle_.front()));
      idle_.erase(idle_.begin());
      --open_;
    }
    too_few = open_ < settings_.keep_open;
  }
  if (!closed.empty()) given_back_.notify_all();
  if (!too_few) return {};
  std::vector<Borrowed> opened;  // kept until all are there, for a new one each
  for (std::size_t missing = settings_.keep_open; missing > 0; --missing) {
    MESH_TRY(Borrowed one, borrow());
    opened.push_back(std::move(one));
    std::lock_guard lock(mutex_);
    if (open_ >= settings_.keep_open) break;
  }
  return {};
}

SteadyTime PostgresPool::grows_old(SteadyTime now) const {
  if (settings_.max_age <= Duration::zero()) return SteadyTime::max();
  static thread_local std::minstd_rand random(std::random_device{}());
  const auto jitter = std::max<Duration::rep>(settings_.max_age_jitter.count(), 0);
  return now + settings_.max_age + Duration(std::uniform_int_distribution<Duration::rep>(0, jitter)(random));
}

}  // namespace mesh
