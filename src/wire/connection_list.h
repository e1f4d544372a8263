// The connections of one server, and its rules about how many there may be. Newcomers are those that have not shown a
// request yet: when there are too many of them, or of all, the oldest newcomer goes first, so that half-open
// connections cannot keep real clients out.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include "wire/connection.h"

namespace mesh::wire {

// Thread-safe.
class ConnectionList {
 public:
  ConnectionList(std::size_t max_all, std::size_t max_newcomers) : max_all_(max_all), max_newcomers_(max_newcomers) {}

  struct Added {
    bool is_in = false;                   // false: there is no room for it
    std::shared_ptr<Connection> leaving;  // has to be closed to make room
  };
  Added add(std::shared_ptr<Connection> connection);
  void promote(Connection& connection);  // it is no newcomer any more
  void remove(Connection& connection);
  std::shared_ptr<Connection> take_oldest_newcomer();
  std::vector<std::shared_ptr<Connection>> all() const;
  std::size_t size() const;

  void close_door();  // add() refuses from now on
  void wait_until_empty(std::stop_token stop);

 private:
  struct Entry {
    std::shared_ptr<Connection> connection;
    std::list<Connection*>::iterator newcomer;
    bool is_newcomer = true;
  };

  std::shared_ptr<Connection> take_oldest_locked();

  mutable std::mutex mutex_;
  std::condition_variable_any emptied_;
  const std::size_t max_all_, max_newcomers_;
  std::unordered_map<Connection*, Entry> entries_;
  std::list<Connection*> newcomers_;  // oldest first
  bool is_closed_ = false;
};

}  // namespace mesh::wire
