// The first half of every client connection: from a URL to a connected socket.
#pragma once

#include <memory>
#include <string>

#include "wire/address.h"
#include "wire/descriptor.h"
#include "wire/event_loop.h"
#include "wire/http.h"

namespace mesh::wire {

struct ClientUrl {
  bool is_tls = false;
  std::string host;  // IPv6 addresses in brackets
  int port = 0;
  std::string authority;  // for Host and :authority
  std::string target;     // path and query, escaped

  static Result<ClientUrl> parse(const std::string& url);
};

// Tries the addresses of a host one after the other. Lives until it has called back or was dropped. On its strand.
class Dial : public std::enable_shared_from_this<Dial> {
 public:
  struct Connected {
    int fd = -1;
    Peer peer;
  };
  using OnConnected = std::move_only_function<void(Result<Connected>)>;

  // `unix_socket` not empty: that path, whatever the URL says.
  static std::shared_ptr<Dial> start(const Strand& strand, const ClientUrl& url, const std::string& unix_socket,
                                     Duration timeout, OnConnected on_connected);
  void cancel();

 private:
  Dial(Strand strand, OnConnected on_connected) : strand_(std::move(strand)), on_connected_(std::move(on_connected)) {}
  void try_next();
  void on_attempt_ended(const SocketAddress& address);
  void finish(Result<Connected> result);

  const Strand strand_;
  OnConnected on_connected_;
  std::vector<SocketAddress> addresses_;  // the next one is last
  Descriptor socket_;
  Timer timer_;
  SteadyTime deadline_{};
  std::string failures_;
};

}  // namespace mesh::wire
