#include "wire/connection_list.h"

namespace mesh::wire {

ConnectionList::Added ConnectionList::add(std::shared_ptr<Connection> connection) {
  std::lock_guard lock(mutex_);
  Added added;
  if (is_closed_) return added;
  if (newcomers_.size() >= max_newcomers_ || entries_.size() >= max_all_) added.leaving = take_oldest_locked();
  if (entries_.size() >= max_all_ && !added.leaving) return added;
  newcomers_.push_back(connection.get());
  Connection* key = connection.get();
  entries_.emplace(key, Entry{std::move(connection), std::prev(newcomers_.end()), true});
  added.is_in = true;
  return added;
}

void ConnectionList::promote(Connection& connection) {
  std::lock_guard lock(mutex_);
  auto found = entries_.find(&connection);
  if (found == entries_.end() || !found->second.is_newcomer) return;
  newcomers_.erase(found->second.newcomer);
  found->second.is_newcomer = false;
}

void ConnectionList::remove(Connection& connection) {
  std::shared_ptr<Connection> last;  // released outside the lock
  std::lock_guard lock(mutex_);
  auto found = entries_.find(&connection);
  if (found == entries_.end()) return;
  if (found->second.is_newcomer) newcomers_.erase(found->second.newcomer);
  last = std::move(found->second.connection);
  entries_.erase(found);
  if (entries_.empty()) emptied_.notify_all();
}

std::shared_ptr<Connection> ConnectionList::take_oldest_newcomer() {
  std::lock_guard lock(mutex_);
  return take_oldest_locked();
}

// It stays in the list until it has closed, but is not taken twice.
std::shared_ptr<Connection> ConnectionList::take_oldest_locked() {
  if (newcomers_.empty()) return nullptr;
  Entry& entry = entries_.at(newcomers_.front());
  newcomers_.pop_front();
  entry.is_newcomer = false;
  return entry.connection;
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

void ConnectionList::wait_until_empty(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  emptied_.wait(lock, stop, [&] { return entries_.empty(); });
}

}  // namespace mesh::wire
