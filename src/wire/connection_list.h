// The connections of one server, and its rules about how many there may be. Newcomers are those that have not shown a
// request yet. When there are too many of them, or of all, those leave first that have said nothing for a while, then
// those that do not come to an end with their handshake: half-open connections cannot keep real clients out. When no
// newcomer has had its fair time yet, the next ones wait in the kernel's queue: a storm of real clients is let in at
// the pace at which we can greet them.
#pragma once

#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <stop_token>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "wire/connection.h"

namespace mesh::wire {

// Thread-safe.
class ConnectionList {
 public:
  ConnectionList(std::size_t max_all, std::size_t max_newcomers, Duration handshake_timeout)
      : max_all_(max_all),
        max_newcomers_(max_newcomers),
        max_silence_(handshake_timeout / 5),
        patience_(handshake_timeout / 2) {}

  struct Room {
    bool is_free = false;                 // one more may come in now
    std::shared_ptr<Connection> leaving;  // has to be closed for it
  };
  Room make_room(SteadyTime now);
  bool add(std::shared_ptr<Connection> connection, SteadyTime now);  // false: the door is closed
  void on_first_bytes(Connection& connection);
  void on_first_request(Connection& connection);  // it is no newcomer any more
  void remove(Connection& connection);
  std::shared_ptr<Connection> take_oldest_newcomer();
  std::vector<std::shared_ptr<Connection>> all() const;
  std::size_t size() const;

  void open_door();                            // there is a listening socket
  void close_door();                           // add() refuses from now on
  void remove_door();                          // the listening socket is closed
  void wait_until_gone(std::stop_token stop);  // the socket and all connections
  void forget();                               // what has not closed lives only as long as its loop

 private:
  using Queue = std::list<Connection*>;  // oldest first
  struct Entry {
    std::shared_ptr<Connection> connection;
    SteadyTime since;
    Queue* queue = nullptr;  // where it is as a newcomer
    Queue::iterator place;
  };

  std::shared_ptr<Connection> take_first(Queue& queue, SteadyTime not_after);
  void move_to(Queue* queue, Connection& connection);

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  const std::size_t max_all_, max_newcomers_;
  const Duration max_silence_, patience_;
  std::unordered_map<Connection*, Entry> entries_;
  Queue silent_, greeting_;
  bool is_closed_ = false, has_door_ = false;
};

}  // namespace mesh::wire
