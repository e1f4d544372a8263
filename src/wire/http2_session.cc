#include "wire/http2_session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace mesh::wire {

namespace {

constexpr std::size_t kLeastHonestBody = 64;
constexpr std::size_t kMostFramesWaiting = 2'000;  // of ours, that a peer makes us send but does not take

std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

double cost_of(const nghttp2_frame_hd& frame) {
  switch (frame.type) {
    case NGHTTP2_DATA: return frame.length == 0 && (frame.flags & NGHTTP2_FLAG_END_STREAM) == 0 ? 1 : 0;
    case NGHTTP2_HEADERS: return 0;
    case NGHTTP2_RST_STREAM: return 5;
    case NGHTTP2_SETTINGS: return (frame.flags & NGHTTP2_FLAG_ACK) != 0 ? 1 : 5;
    default: return 1;
  }
}

}  // namespace

// The library's callbacks, each handed on to the session.
struct Http2Callbacks {
  static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }

  static ssize_t send(nghttp2_session*, const std::uint8_t* data, std::size_t size, int, void* user) {
    Http2Session& self = of(user);
    if (self.out_->size() >= self.out_limit_) return NGHTTP2_ERR_WOULDBLOCK;
    self.out_->append(text_of(data, size));
    return static_cast<ssize_t>(size);
  }

  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t size,
                       nghttp2_data_source*, void* user) {
    Http2Session& self = of(user);
    if (self.out_->size() >= self.out_limit_) return NGHTTP2_ERR_WOULDBLOCK;
    self.out_->append(text_of(head, 9));
    self.take_body(frame->hd.stream_id, *self.out_, size);
    // Its WINDOW_UPDATEs will cost something; but who asks for a byte at a time has earned nothing by it.
    self.flood_.earn(size >= kLeastHonestBody ? 4 : 0.25);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, std::int32_t id, std::uint8_t*, std::size_t size, std::uint32_t* flags,
                           nghttp2_data_source*, void* user) {
    std::uint32_t wanted = 0;
    std::size_t ready = of(user).body_ready(id, size, wanted);
    *flags |= wanted;
    if (ready > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (ready == 0 && wanted == 0) return NGHTTP2_ERR_DEFERRED;
    return static_cast<ssize_t>(ready);
  }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* frame, void* user) {
    Http2Session& self = of(user);
    if (!self.is_ending_ && !self.flood_.spend(cost_of(*frame), self.last_input_)) {
      MESH_LOG_WARN("wire", "closing the HTTP/2 connection of {}:{}: it floods us with control frames",
                    self.host_.peer()->address, self.host_.peer()->port);
      self.end_with(NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_CALLBACK_FAILURE;  // stops the rest of what has arrived
    }
    return 0;
  }

  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    of(user).on_begin_headers(frame->hd.stream_id);
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    of(user).on_header(frame->hd.stream_id, text_of(name, name_size), text_of(value, value_size));
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    bool is_headers = frame->hd.type == NGHTTP2_HEADERS;
    if (is_headers) of(user).on_headers(frame->hd.stream_id);
    if ((is_headers || frame->hd.type == NGHTTP2_DATA) && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      of(user).on_stream_end(frame->hd.stream_id);
    }
    return 0;
  }

  static int data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size,
                  void* user) {
    of(user).on_data(id, text_of(bytes, size));
    return 0;
  }

  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t error_code, void* user) {
    of(user).on_stream_closed(id, error_code);
    return 0;
  }

  // A server that has answered before the request's end wants no more of it (RFC 9113 section 8.1).
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && of(user).side_ == Http2Session::Side::Server &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static nghttp2_session_callbacks* all() {
    static nghttp2_session_callbacks* callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      nghttp2_session_callbacks_new(&made);
      nghttp2_session_callbacks_set_send_callback(made, send);
      nghttp2_session_callbacks_set_send_data_callback(made, send_data);
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, begin_frame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(made, header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, stream_closed);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_sent);
      return made;
    }();
    return callbacks;
  }

  static nghttp2_option* make_options() {
    nghttp2_option* made = nullptr;
    nghttp2_option_new(&made);
    nghttp2_option_set_no_closed_streams(made,
                                         1);  // else closed ones are kept for a priority tree that we do not use
    nghttp2_option_set_stream_reset_rate_limit(made, 200, 20);
    nghttp2_option_set_max_settings(made, 32);
    nghttp2_option_set_max_deflate_dynamic_table_size(made, 1024);
    return made;
  }
  static nghttp2_option* server_options() {
    static nghttp2_option* options = make_options();
    return options;
  }
  // A client says itself what it has taken, so that one stream that is not read holds up no other.
  static nghttp2_option* client_options() {
    static nghttp2_option* options = [] {
      nghttp2_option* made = make_options();
      nghttp2_option_set_no_auto_window_update(made, 1);
      return made;
    }();
    return options;
  }
};

Http2Session::Http2Session(Side side, ProtocolHost& host, Http2Keepalive keepalive)
    : side_(side),
      host_(host),
      keepalive_(keepalive),
      flood_(real_clock().steady()),
      last_input_(real_clock().steady()) {
  nghttp2_session* made = nullptr;
  nghttp2_mem memory = memory_.callbacks();
  if (side == Side::Server) {
    nghttp2_session_server_new3(&made, Http2Callbacks::all(), this, Http2Callbacks::server_options(), &memory);
  } else {
    nghttp2_session_client_new3(&made, Http2Callbacks::all(), this, Http2Callbacks::client_options(), &memory);
  }
  session_.reset(made);
}

void Http2Session::on_bytes(std::string_view bytes) {
  if (is_ending_) return;  // GOAWAY is on its way; what comes now is not looked at
  last_input_ = real_clock().steady();
  pinged_at_ = kNever;
  ssize_t used = nghttp2_session_mem_recv(session(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (used < 0) {
    MESH_LOG_DEBUG("wire", "closing the HTTP/2 connection of {}:{}: {}", host_.peer()->address, host_.peer()->port,
                   nghttp2_strerror(static_cast<int>(used)));
    end_with(used == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  } else if (nghttp2_session_get_outbound_queue_size(session()) > kMostFramesWaiting) {
    end_with(NGHTTP2_ENHANCE_YOUR_CALM);
  }
}

void Http2Session::on_lost(const Error& reason) {
  has_ended_ = true;
  on_all_lost(reason);
}

void Http2Session::take_output(std::string& out, std::size_t limit) {
  out_ = &out;
  out_limit_ = limit;
  int result = nghttp2_session_send(session());
  out_ = nullptr;
  if (result != 0) has_ended_ = true;  // out of memory, or misuse: nothing can be said any more
}

bool Http2Session::is_done() const {
  return has_ended_ || (nghttp2_session_want_read(session()) == 0 && nghttp2_session_want_write(session()) == 0);
}

SteadyTime Http2Session::deadline() const {
  SteadyTime alive = pinged_at_ == kNever ? last_input_ + keepalive_.interval : pinged_at_ + keepalive_.timeout;
  return std::min(alive, own_deadline());
}

void Http2Session::on_deadline(SteadyTime now) {
  if (pinged_at_ != kNever && now >= pinged_at_ + keepalive_.timeout) {
    has_ended_ = true;
    return;
  }
  if (pinged_at_ == kNever && now >= last_input_ + keepalive_.interval) {
    nghttp2_submit_ping(session(), NGHTTP2_FLAG_NONE, nullptr);
    pinged_at_ = now;
  }
  if (now >= own_deadline()) on_own_deadline(now);
}

void Http2Session::drain() {
  nghttp2_submit_goaway(session(), NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session()),
                        NGHTTP2_NO_ERROR, nullptr, 0);
}

nghttp2_data_provider Http2Session::body_provider() {
  nghttp2_data_provider provider{};
  provider.source.ptr = this;
  provider.read_callback = Http2Callbacks::read_body;
  return provider;
}

void Http2Session::resume(std::int32_t id) {
  nghttp2_session_resume_data(session(), id);
  host_.wake();
}

void Http2Session::end_with(std::uint32_t error_code) {
  is_ending_ = true;
  // Only the first reason is said.
  nghttp2_session_terminate_session(session(), error_code);
  host_.wake();
}

nghttp2_nv header_field(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace mesh::wire
