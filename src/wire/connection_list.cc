#include "wire/connection_list.h"

namespace mesh::wire {

ConnectionList::Room ConnectionList::make_room(SteadyTime now) {
  std::lock_guard lock(mutex_);
  bool is_full = entries_.size() >= max_all_;
  if (!is_full && silent_.size() + greeting_.size() < max_newcomers_) return {.is_free = true, .leaving = nullptr};
  auto leaving = take_first(silent_, now - max_silence_);
  if (!leaving) leaving = take_first(greeting_, now - patience_);
  // Until the leaving one has closed it still counts.
  return {.is_free = leaving != nullptr && entries_.size() < max_all_ + max_newcomers_, .leaving = leaving};
}

bool ConnectionList::add(std::shared_ptr<Connection> connection, SteadyTime now) {
  std::lock_guard lock(mutex_);
  if (is_closed_) return false;
  Connection* key = connection.get();
  silent_.push_back(key);
  entries_.emplace(key, Entry{std::move(connection), now, &silent_, std::prev(silent_.end())});
  return true;
}

void ConnectionList::move_to(Queue* queue, Connection& connection) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(&connection);
  if (found == entries_.end() || found->second.queue == nullptr || found->second.queue == queue) return;
  Entry& entry = found->second;
  if (queue != nullptr) {
    queue->splice(queue->end(), *entry.queue, entry.place);
  } else {
    entry.queue->erase(entry.place);
  }
  entry.queue = queue;
}

void ConnectionList::on_first_bytes(Connection& connection) { move_to(&greeting_, connection); }
void ConnectionList::on_first_request(Connection& connection) { move_to(nullptr, connection); }

void ConnectionList::remove(Connection& connection) {
  std::shared_ptr<Connection> last;  // released outside the lock
  std::lock_guard lock(mutex_);
  auto found = entries_.find(&connection);
  if (found == entries_.end()) return;
  if (found->second.queue != nullptr) found->second.queue->erase(found->second.place);
  last = std::move(found->second.connection);
  entries_.erase(found);
  if (entries_.empty()) changed_.notify_all();
}

// It stays an entry until it has closed, but is not taken twice.
std::shared_ptr<Connection> ConnectionList::take_first(Queue& queue, SteadyTime not_after) {
  if (queue.empty()) return nullptr;
  Entry& entry = entries_.at(queue.front());
  if (entry.since > not_after) return nullptr;
  queue.pop_front();
  entry.queue = nullptr;
  return entry.connection;
}

std::shared_ptr<Connection> ConnectionList::take_oldest_newcomer() {
  std::lock_guard lock(mutex_);
  auto oldest = take_first(silent_, SteadyTime::max());
  return oldest ? oldest : take_first(greeting_, SteadyTime::max());
}

std::vector<std::shared_ptr<Connection>> ConnectionList::all() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Connection>> result;
  result.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) result.push_back(entry.connection);
  return result;
}

std::size_t ConnectionList::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

void ConnectionList::close_door() {
  std::lock_guard lock(mutex_);
  is_closed_ = true;
}

void ConnectionList::open_door() {
  std::lock_guard lock(mutex_);
  has_door_ = true;
}

void ConnectionList::remove_door() {
  std::lock_guard lock(mutex_);
  has_door_ = false;
  changed_.notify_all();
}

void ConnectionList::wait_until_gone(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, stop, [&] { return entries_.empty() && !has_door_; });
}

void ConnectionList::forget() {
  std::unordered_map<Connection*, Entry> entries;  // released outside the lock
  std::lock_guard lock(mutex_);
  silent_.clear();
  greeting_.clear();
  entries.swap(entries_);
}

}  // namespace mesh::wire
