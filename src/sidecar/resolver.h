// A small DNS server for the names of the mesh, for where there is no Route 53: it answers for what the control plane
// named, and asks the machine's own server for everything else. On a thread of its own; UDP, on loopback alone.
//
// What it asks goes out from a port and under an id that nobody can guess, and only an answer to the very question is
// handed on; otherwise anybody who sends fast enough could give our application addresses of his own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/published.h"
#include "base/result.h"
#include "sidecar/dns_message.h"

namespace mesh::sidecar {

struct ResolverSettings {
  std::uint32_t port = 0;  // 0: any
  std::string upstream;    // IPv4 address of the server for everything else; empty: such queries are refused
  std::uint32_t upstream_port = 53;
  Duration patience = std::chrono::seconds(4);  // then the other server has failed
};

class Resolver {
 public:
  static constexpr const char* kAddress = "127.0.0.1";

  // The clock must outlive it.
  static Result<std::unique_ptr<Resolver>> listen(const ResolverSettings& settings, const Clock& clock);
  ~Resolver();

  void set(MeshNames names) { names_.set(std::make_shared<const MeshNames>(std::move(names))); }
  std::uint32_t port() const { return port_; }

 private:
  class Sockets;
  Resolver(std::unique_ptr<Sockets> sockets, std::uint32_t port);
  void run();

  std::unique_ptr<Sockets> sockets_;
  std::uint32_t port_ = 0;
  Published<MeshNames> names_;
  std::jthread thread_;  // last: ends before what it uses
};

}  // namespace mesh::sidecar
