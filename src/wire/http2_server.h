// The server's side of HTTP/2 on one connection: requests go to the handler, gRPC calls become streams.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "wire/http2_grpc_stream.h"
#include "wire/http2_session.h"
#include "wire/service.h"

namespace mesh::wire {

class Http2Server final : public Http2Session, private GrpcCarrier {
 public:
  Http2Server(ProtocolHost& host, std::weak_ptr<ProtocolHost> weak_host, std::shared_ptr<const Service> service);
  ~Http2Server() override;

 private:
  struct Stream;

  void on_begin_headers(std::int32_t id) override;
  void on_header(std::int32_t id, std::string_view name, std::string_view value) override;
  void on_headers(std::int32_t id) override;
  void on_data(std::int32_t id, std::string_view bytes) override;
  void on_stream_end(std::int32_t id) override;
  void on_stream_closed(std::int32_t id, std::uint32_t error_code) override;
  void on_all_lost(const Error& reason) override;
  std::size_t body_ready(std::int32_t id, std::size_t size, std::uint32_t& flags) override;
  void take_body(std::int32_t id, std::string& out, std::size_t size) override;
  SteadyTime own_deadline() const override;
  void on_own_deadline(SteadyTime now) override;

  void on_output(Http2GrpcStream& stream) override;
  void on_finish(Http2GrpcStream& stream) override;

  Stream* find(std::int32_t id);
  Stream* find(const Http2GrpcStream& grpc);
  void open_grpc(Stream& stream);
  void refuse_grpc(Stream& stream, const GrpcStatus& status);
  void send_grpc_trailers(Stream& stream);
  void dispatch(Stream& stream);
  void answer(std::int32_t id, Response response);
  void answer(Stream& stream, Response response);
  void count_buffered(Stream& stream, std::size_t now);
  SteadyTime deadline_of(const Stream& stream) const;

  std::weak_ptr<ProtocolHost> weak_host_;
  std::shared_ptr<const Service> service_;
  // Answers come back through it; emptied when the connection is lost.
  std::shared_ptr<Http2Server*> alive_ = std::make_shared<Http2Server*>(this);
  std::map<std::int32_t, std::unique_ptr<Stream>> streams_;
  Unfinished unfinished_;  // bodies and messages of all streams
  SteadyTime idle_since_;
};

}  // namespace mesh::wire
