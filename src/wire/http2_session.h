// What both sides of HTTP/2 share: an nghttp2 session between bytes in and bytes out, keepalive, floods, shutdown.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string>

#include "wire/flood_guard.h"
#include "wire/http2_memory.h"
#include "wire/protocol.h"

namespace mesh::wire {

struct Http2Keepalive {
  Duration interval;
  Duration timeout;
};

class Http2Session : public Protocol {
 public:
  void on_bytes(std::string_view bytes) final;
  void on_end() final { has_ended_ = true; }
  void on_lost(const Error& reason) final;
  void take_output(std::string& out, std::size_t limit) final;
  bool wants_input() const final { return !has_ended_; }
  bool is_done() const final;
  SteadyTime deadline() const final;
  void on_deadline(SteadyTime now) final;
  Duration write_timeout() const final { return keepalive_.interval + keepalive_.timeout; }
  void drain() override;

 protected:
  enum class Side { Server, Client };

  Http2Session(Side side, ProtocolHost& host, Http2Keepalive keepalive);

  // What happens on streams, inside on_bytes() and take_output().
  virtual void on_begin_headers(std::int32_t id) = 0;
  virtual void on_header(std::int32_t id, std::string_view name, std::string_view value) = 0;
  virtual void on_headers(std::int32_t id) = 0;  // all of one block
  virtual void on_data(std::int32_t id, std::string_view bytes) = 0;
  virtual void on_stream_end(std::int32_t id) = 0;  // the peer's side of it
  virtual void on_stream_closed(std::int32_t id, std::uint32_t error_code) = 0;
  virtual void on_all_lost(const Error& reason) = 0;
  // The body that a stream sends: how much there is (up to `size`; 0 and no flags: nothing now), and the bytes.
  virtual std::size_t body_ready(std::int32_t id, std::size_t size, std::uint32_t& flags) = 0;
  virtual void take_body(std::int32_t id, std::string& out, std::size_t size) = 0;
  // Deadlines beside keepalive.
  virtual SteadyTime own_deadline() const = 0;
  virtual void on_own_deadline(SteadyTime now) = 0;

  nghttp2_data_provider body_provider();
  void resume(std::int32_t id);
  void end_with(std::uint32_t error_code);  // GOAWAY, then close
  void set_keepalive(Http2Keepalive keepalive) { keepalive_ = keepalive; }
  ProtocolHost& host() { return host_; }
  nghttp2_session* session() const { return session_.get(); }

 private:
  friend struct Http2Callbacks;
  struct Delete {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  const Side side_;
  ProtocolHost& host_;
  Http2Keepalive keepalive_;
  Http2Memory memory_;
  std::unique_ptr<nghttp2_session, Delete> session_;
  FloodGuard flood_;
  SteadyTime last_input_, pinged_at_ = kNever;
  std::string* out_ = nullptr;  // during take_output()
  std::size_t out_limit_ = 0;
  bool is_ending_ = false, has_ended_ = false;
};

nghttp2_nv header_field(std::string_view name, std::string_view value);  // not copied: valid while they are

}  // namespace mesh::wire
