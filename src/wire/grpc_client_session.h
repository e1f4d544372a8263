// The client's side of HTTP/2: a plain request, gRPC streams, or first the one and then the others. It ends with its
// last stream, once nobody may open another.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "wire/dial.h"
#include "wire/http2_exchange.h"
#include "wire/http2_grpc_stream.h"
#include "wire/http2_session.h"

namespace mesh::wire {

class KeptConnection;

class GrpcClientSession final : public Http2Session, private GrpcCarrier {
 public:
  struct Call {
    std::string scheme, authority, path;
    Headers metadata;
  };
  GrpcClientSession(ProtocolHost& host, Http2Keepalive keepalive);
  GrpcClientSession(ProtocolHost& host, Http2Keepalive keepalive, const ClientUrl& url, ClientRequest request,
                    OnResponse on_result);
  ~GrpcClientSession() override;

  // Who may open streams later, and is told when that is no longer possible.
  void set_kept(std::weak_ptr<KeptConnection> kept) { kept_ = std::move(kept); }
  bool may_open() const;
  void open(const Call& call, Http2Keepalive keepalive, std::shared_ptr<Http2GrpcStream> stream);

  void drain() override;  // nobody will open streams any more

 private:
  struct Stream {
    std::shared_ptr<Http2GrpcStream> grpc;
    int http_status = 0;
    std::size_t header_bytes = 0;
    bool is_grpc = false;
    std::optional<int> grpc_status;
    std::string grpc_message;
    std::string unread;  // at most what the window of a stream lets the peer send
  };

  void on_begin_headers(std::int32_t) override {}
  void on_header(std::int32_t id, std::string_view name, std::string_view value) override;
  void on_headers(std::int32_t) override {}
  void on_data(std::int32_t id, std::string_view bytes) override;
  void on_stream_end(std::int32_t id) override;
  void on_stream_closed(std::int32_t id, std::uint32_t error_code) override;
  void on_all_lost(const Error& reason) override;
  std::size_t body_ready(std::int32_t id, std::size_t size, std::uint32_t& flags) override;
  void take_body(std::int32_t id, std::string& out, std::size_t size) override;
  SteadyTime own_deadline() const override { return kNever; }
  void on_own_deadline(SteadyTime) override {}

  void on_output(Http2GrpcStream& stream) override;
  void on_finish(Http2GrpcStream& stream) override;
  void on_reading(Http2GrpcStream& stream) override;

  void introduce();
  void give_up_exchange();
  Stream* find(std::int32_t id);
  std::int32_t id_of(const Http2GrpcStream& grpc) const;  // -1: it has ended
  void receive(std::int32_t id, Stream& stream, std::string_view bytes);
  void reset(std::int32_t id, const GrpcStatus& status);
  static GrpcStatus final_status(const Stream& stream, std::uint32_t error_code);

  std::optional<Http2Exchange> exchange_;
  std::int32_t exchange_id_ = -1;
  std::weak_ptr<KeptConnection> kept_;
  bool is_lost_ = false, is_draining_ = false;
  std::map<std::int32_t, Stream> streams_;
};

}  // namespace mesh::wire
