// A connection that a request left open for the stream that follows it to the same server.
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
    if (is_used_) return;
    if (const auto connection = connection_.lock())
      connection->post_close(error(ErrorKind::Unavailable, "nobody needs the connection any more"));
  }
  KeptConnection(const KeptConnection&) = delete;
  KeptConnection& operator=(const KeptConnection&) = delete;

  const Strand& strand() const { return strand_; }

  // The rest on its strand. False: it does not stand any more, or has a stream.
  bool carry(GrpcClientSession::Call call, Http2Keepalive keepalive, const std::shared_ptr<Http2GrpcStream>& stream) {
    if (session_ == nullptr || is_used_ || !session_->may_open()) return false;
    is_used_ = true;
    session_->open(std::move(call), keepalive, stream);
    return true;
  }
  void on_session_gone() { session_ = nullptr; }

 private:
  const Strand strand_;
  const std::weak_ptr<Connection> connection_;  // it holds itself by what it waits for
  GrpcClientSession* session_;
  bool is_used_ = false;
};

}  // namespace mesh::wire
