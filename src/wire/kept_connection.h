// A client's connection on which further streams to the same server may be opened, for as long as somebody holds this.
// Dropped, it ends with its last stream.
#pragma once

#include <memory>

#include "wire/connection.h"
#include "wire/grpc_client_session.h"

namespace mesh::wire {

class KeptConnection {
 public:
  KeptConnection(Connection& connection, GrpcClientSession& session)
      : strand_(connection.strand()), connection_(connection.weak_from_this()), session_(&session) {}
  ~KeptConnection() {
    if (const auto connection = connection_.lock()) connection->post_drain();
  }
  KeptConnection(const KeptConnection&) = delete;
  KeptConnection& operator=(const KeptConnection&) = delete;

  const Strand& strand() const { return strand_; }

  // The rest on its strand. False: it does not stand any more, or takes no further streams.
  bool carry(const GrpcClientSession::Call& call, Http2Keepalive keepalive,
             const std::shared_ptr<Http2GrpcStream>& stream) {
    if (session_ == nullptr || !session_->may_open()) return false;
    session_->open(call, keepalive, stream);
    return true;
  }
  void on_session_gone() { session_ = nullptr; }

 private:
  const Strand strand_;
  const std::weak_ptr<Connection> connection_;  // it holds itself by what it waits for
  GrpcClientSession* session_;
};

}  // namespace mesh::wire
